// What the repository does, as acts that tests interrupt: by errors, power losses, kills.
//
// Thread: one at a time.
#ifndef TESTS_SUPPORT_CHECKPOINTS_SCRIPTS_H
#define TESTS_SUPPORT_CHECKPOINTS_SCRIPTS_H

#include "tests/support/checkpoints_fixture.h"

// Something that the repository does, in a directory with genesis and checkpoints at 10 .. 40 (unless it begins empty).
typedef struct script {
    const char *name;
    bool begins_empty;
    bool opens;                                     // opening itself is what is looked at
    bool (*run)(fixture *fx, rwd_error *err);       // the act
    bool (*done)(fixture *fx);                      // whether its effect is there, seen by a fresh start
} script;

extern const script scripts[];
extern const size_t script_count;

// A fresh fixture in which the act may run.
void script_begin(fixture *fx, const script *s);
// After an interruption: a fresh start finds the old or the new, all of it good, and goes on. What was reported done is done. `how` names the
// interruption. Leaves the repository open.
void script_expect_whole(fixture *fx, const script *s, bool reported_done, const char *how);

#endif
