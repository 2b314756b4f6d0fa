// Words of other systems, and what they are called in a job file: what a person types who comes from there.
//
// Thread: any; pure functions.
#ifndef OPERATOR_CONFIG_OTHER_WORDS_H
#define OPERATOR_CONFIG_OTHER_WORDS_H

// Our key for a word that stands where the keys of `group` do (a path of the key table), or NULL. Static text.
const char *rwd_other_key(const char *group, const char *word);
// How an aggregate of another name is written here, such as "mean(FIELD)", or NULL. Static text.
const char *rwd_other_aggregate(const char *word);

#endif
