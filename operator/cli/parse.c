// From words to an invocation.
//
// First the command is found, passing over flags; then all words are read by what that command takes, so that flags may stand anywhere.
#include "operator/cli/parse.h"

#include <stdio.h>
#include <stdlib.h>

#include "operator/base/words.h"

#define CANDIDATES_MAX 128
#define NAME_MAX_SIZE 96

// ---- flags by name

// Two rows may have one name: the one that is allowed is meant.
static rwd_flag_id flag_by_name(const char *name, size_t size, uint64_t allowed) {
    rwd_flag_id found = RWD_FLAG_ID_COUNT;
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++) {
        const char *candidate = rwd_flag_at((rwd_flag_id)i)->name;
        if (strlen(candidate) != size || memcmp(candidate, name, size) != 0) continue;
        if (found == RWD_FLAG_ID_COUNT || allowed >> i & 1) found = (rwd_flag_id)i;
    }
    return found;
}

static rwd_flag_id flag_by_letter(char letter, uint64_t allowed) {
    rwd_flag_id found = RWD_FLAG_ID_COUNT;
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++)
        if (rwd_flag_at((rwd_flag_id)i)->letter == letter && (found == RWD_FLAG_ID_COUNT || allowed >> i & 1)) found = (rwd_flag_id)i;
    return found;
}

static bool is_flag_word(const char *word) { return word[0] == '-' && word[1] != '\0'; }

// Does this word take the next one as its value?
static bool takes_next(const char *word) {
    if (word[1] == '-') {
        if (strchr(word, '=')) return false;
        rwd_flag_id id = flag_by_name(word + 2, strlen(word + 2), 0);
        return id != RWD_FLAG_ID_COUNT && rwd_flag_at(id)->kind != RWD_FLAG_SWITCH;
    }
    for (const char *letter = word + 1; *letter; letter++) {
        rwd_flag_id id = flag_by_letter(*letter, 0);
        if (id == RWD_FLAG_ID_COUNT) return false;
        if (rwd_flag_at(id)->kind != RWD_FLAG_SWITCH) return letter[1] == '\0';
    }
    return false;
}

// ---- the command

static bool unknown_command(const char *group, const char *word, rwd_error *err) {
    const char *candidates[CANDIDATES_MAX];
    size_t count = 0, prefix = group ? strlen(group) + 1 : 0;
    char words[CANDIDATES_MAX][NAME_MAX_SIZE];
    const rwd_command *command;
    for (size_t i = 0; (command = rwd_command_at(i)) && count < CANDIDATES_MAX; i++) {
        if (group && (strncmp(command->name, group, prefix - 1) != 0 || command->name[prefix - 1] != ' ')) continue;
        (void)snprintf(words[count], NAME_MAX_SIZE, "%s", command->name + prefix);
        if (!group) words[count][strcspn(words[count], " ")] = '\0';
        candidates[count] = words[count];
        count++;
    }
    const char *nearest = rwd_nearest(word, candidates, count);
    if (nearest) rwd_fail(err, RWD_E_USAGE, "there is no command '%s%s%s'; did you mean '%s'?", group ? group : "", group ? " " : "", word, nearest);
    else rwd_fail(err, RWD_E_USAGE, "there is no command '%s%s%s'", group ? group : "", group ? " " : "", word);
    return rwd_error_next(err, group ? "rewind help %s" : "rewind help", group);
}

// Finds the command; `out_used` marks the words that it is made of.
static bool find_command(int argc, const char *const *argv, rwd_invocation *out, bool used[], rwd_error *err) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) break;
        if (is_flag_word(argv[i])) {
            i += takes_next(argv[i]);
            continue;
        }
        used[i] = true;
        if (out->group) {
            char name[NAME_MAX_SIZE];
            (void)snprintf(name, sizeof(name), "%s %s", out->group, argv[i]);
            out->command = rwd_command_find(name);
            return out->command ? true : unknown_command(out->group, argv[i], err);
        }
        out->command = rwd_command_find(argv[i]);
        if (out->command) return true;
        if (!rwd_command_is_group(argv[i])) return unknown_command(NULL, argv[i], err);
        out->group = argv[i];
    }
    return true;
}

// ---- values

static bool choice_error(const rwd_flag *flag, const char *shown, const char *value, rwd_error *err) {
    char words[256];
    const char *candidates[16];
    size_t count = 0;
    (void)snprintf(words, sizeof(words), "%s", flag->takes);
    char *rest = words, *word;
    while (count < 16 && (word = strsep(&rest, "|"))) candidates[count++] = word;
    const char *nearest = rwd_nearest(value, candidates, count);
    if (nearest) return rwd_fail(err, RWD_E_USAGE, "%s takes %s, not '%s'; did you mean '%s'?", shown, flag->takes, value, nearest);
    return rwd_fail(err, RWD_E_USAGE, "%s takes %s, not '%s'", shown, flag->takes, value);
}

static bool is_choice(const char *choices, const char *value) {
    size_t size = strlen(value);
    for (const char *at = choices; size > 0 && *at;) {
        size_t word = strcspn(at, "|");
        if (word == size && memcmp(at, value, size) == 0) return true;
        at += word + (at[word] == '|');
    }
    return false;
}

static bool take_pair(rwd_invocation *out, const char *shown, const char *value, rwd_error *err) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value) return rwd_fail(err, RWD_E_USAGE, "%s takes KEY=VALUE, not '%s'", shown, value);
    if (out->set_count == RWD_SETS_MAX) return rwd_fail(err, RWD_E_USAGE, "%s can be given at most %d times", shown, RWD_SETS_MAX);
    out->set_keys[out->set_count] = rwd_strndup(value, (size_t)(equals - value));
    out->sets[out->set_count] = (rwd_override){out->set_keys[out->set_count], equals + 1};
    out->set_count++;
    return true;
}

static bool check_value(const rwd_flag *flag, const char *shown, const char *value, rwd_error *err) {
    int64_t number;
    switch (flag->kind) {
    case RWD_FLAG_SWITCH:
    case RWD_FLAG_PAIR: return true;
    case RWD_FLAG_TEXT: return *value != '\0' || rwd_fail(err, RWD_E_USAGE, "%s needs a value, %s", shown, flag->takes);
    case RWD_FLAG_CHOICE: return is_choice(flag->takes, value) || choice_error(flag, shown, value, err);
    case RWD_FLAG_COUNT:
        return (rwd_int_parse(rwd_slice_str(value), &number) == RWD_PARSE_OK && number >= 0) ||
               rwd_fail(err, RWD_E_USAGE, "%s takes a whole number from 0, not '%s'", shown, value);
    }
    return false;
}

static bool take_value(rwd_invocation *out, rwd_flag_id id, const char *shown, const char *value, rwd_error *err) {
    const rwd_flag *flag = rwd_flag_at(id);
    if (flag->kind == RWD_FLAG_PAIR) {
        out->values[id] = value;
        return take_pair(out, shown, value, err);
    }
    if (out->values[id] && strcmp(out->values[id], value) != 0)
        return rwd_fail(err, RWD_E_USAGE, "%s is given twice: '%s' and '%s'", shown, out->values[id], value);
    out->values[id] = value;
    return check_value(flag, shown, value, err);
}

// ---- flag words

static uint64_t allowed_flags(const rwd_invocation *in) { return rwd_common_flags() | (in->command ? in->command->flags : 0); }

static const char *command_name(const rwd_invocation *in) { return in->command ? in->command->name : in->group ? in->group : ""; }

static bool unknown_flag(const rwd_invocation *in, const char *name, size_t size, rwd_error *err) {
    const char *candidates[RWD_FLAG_ID_COUNT];
    size_t count = 0;
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++)
        if (allowed_flags(in) >> i & 1) candidates[count++] = rwd_flag_at((rwd_flag_id)i)->name;
    char word[NAME_MAX_SIZE];
    (void)snprintf(word, sizeof(word), "%.*s", (int)(size < NAME_MAX_SIZE ? size : NAME_MAX_SIZE - 1), name);
    const char *nearest = rwd_nearest(word, candidates, count), *space = *command_name(in) ? " " : "";
    if (nearest) rwd_fail(err, RWD_E_USAGE, "rewind%s%s takes no flag --%s; did you mean --%s?", space, command_name(in), word, nearest);
    else rwd_fail(err, RWD_E_USAGE, "rewind%s%s takes no flag --%s", space, command_name(in), word);
    return rwd_error_next(err, "rewind help%s%s", space, command_name(in));
}

// "--flag", "--flag=value" or "--flag value". `next` is the word behind; *out_took_next tells that it was the value.
static bool long_flag(rwd_invocation *out, const char *word, const char *next, bool *out_took_next, rwd_error *err) {
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    rwd_flag_id id = flag_by_name(name, size, allowed_flags(out));
    if (id == RWD_FLAG_ID_COUNT || !(allowed_flags(out) >> id & 1)) return unknown_flag(out, name, size, err);
    const rwd_flag *flag = rwd_flag_at(id);
    char shown[NAME_MAX_SIZE];
    (void)snprintf(shown, sizeof(shown), "--%s", flag->name);
    if (flag->kind == RWD_FLAG_SWITCH) {
        if (equals) return rwd_fail(err, RWD_E_USAGE, "%s takes no value", shown);
        return take_value(out, id, shown, "", err);
    }
    if (equals) return take_value(out, id, shown, equals + 1, err);
    if (!next) return rwd_fail(err, RWD_E_USAGE, "%s needs a value, %s", shown, flag->takes);
    *out_took_next = true;
    return take_value(out, id, shown, next, err);
}

// "-n", "-ny", "-o json", "-ojson".
static bool short_flags(rwd_invocation *out, const char *word, const char *next, bool *out_took_next, rwd_error *err) {
    for (const char *letter = word + 1; *letter; letter++) {
        rwd_flag_id id = flag_by_letter(*letter, allowed_flags(out));
        char shown[3] = {'-', *letter, '\0'};
        if (id == RWD_FLAG_ID_COUNT || !(allowed_flags(out) >> id & 1)) {
            rwd_fail(err, RWD_E_USAGE, "rewind%s%s takes no flag %s", *command_name(out) ? " " : "", command_name(out), shown);
            return rwd_error_next(err, "rewind help%s%s", *command_name(out) ? " " : "", command_name(out));
        }
        const rwd_flag *flag = rwd_flag_at(id);
        if (flag->kind == RWD_FLAG_SWITCH) {
            if (!take_value(out, id, shown, "", err)) return false;
            continue;
        }
        if (letter[1]) return take_value(out, id, shown, letter + 1, err);
        if (!next) return rwd_fail(err, RWD_E_USAGE, "%s needs a value, %s", shown, flag->takes);
        *out_took_next = true;
        return take_value(out, id, shown, next, err);
    }
    return true;
}

static bool read_words(int argc, const char *const *argv, const bool used[], rwd_invocation *out, rwd_error *err) {
    bool flags_over = false;
    for (int i = 1; i < argc; i++) {
        if (used[i]) continue;
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool took_next = false, worked = true;
        if (!flags_over && strcmp(word, "--") == 0) flags_over = true;
        else if (!flags_over && strncmp(word, "--", 2) == 0) worked = long_flag(out, word, next, &took_next, err);
        else if (!flags_over && is_flag_word(word)) worked = short_flags(out, word, next, &took_next, err);
        else if (out->arg_count == RWD_ARGS_MAX) worked = rwd_fail(err, RWD_E_USAGE, "more than %d arguments", RWD_ARGS_MAX);
        else out->args[out->arg_count++] = word;
        if (!worked) return false;
        i += took_next;
    }
    return true;
}

// ---- the environment, JOB, and how many arguments there are

static bool read_environment(const char *(*environment)(const char *), rwd_invocation *out, rwd_error *err) {
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++) {
        const rwd_flag *flag = rwd_flag_at((rwd_flag_id)i);
        if (!*flag->environment || out->values[i] || !(allowed_flags(out) >> i & 1)) continue;
        const char *value = environment(flag->environment);
        if (!value || !*value) continue;
        if (!check_value(flag, flag->environment, value, err)) return false;
        out->values[i] = value;
        out->from_environment[i] = true;
    }
    return true;
}

static bool looks_like_job(const char *word) {
    size_t size = strlen(word);
    return (size > 5 && strcmp(word + size - 5, ".yaml") == 0) || (size > 4 && strcmp(word + size - 4, ".yml") == 0);
}

static void take_first(rwd_invocation *out) {
    out->job = out->args[0];
    out->arg_count--;
    memmove(&out->args[0], &out->args[1], out->arg_count * sizeof(out->args[0]));
}

static bool no_place(const rwd_command *command, rwd_error *err) {
    rwd_fail(err, RWD_E_USAGE, "rewind %s needs a job file, or --data with the data directory", command->name);
    return rwd_error_next(err, "rewind %s JOB %s", command->name, command->args);
}

// JOB is the first argument where it must be there, or ends in .yaml or .yml, or where nothing else says which data directory is meant.
static bool read_job(rwd_invocation *out, rwd_error *err) {
    const rwd_command *command = out->command;
    bool told_apart = rwd_given(out, RWD_FLAG_ID_DATA) && !out->from_environment[RWD_FLAG_ID_DATA];
    out->job = out->values[RWD_FLAG_ID_JOB];
    if (command->job == RWD_JOB_NEVER) return true;
    if (out->job && told_apart) return rwd_fail(err, RWD_E_USAGE, "give a job file or --data, not both");
    if (!out->job && out->arg_count > 0) {
        bool nothing_else = !rwd_given(out, RWD_FLAG_ID_DATA), job = looks_like_job(out->args[0]);
        if (command->job == RWD_JOB_REQUIRED || (job && !told_apart)) take_first(out);
        else if (command->job == RWD_JOB_MAY) return true;
        else if (nothing_else && command->least > 0 && out->arg_count <= command->least) return no_place(command, err);
        else if (nothing_else) take_first(out);
    }
    if (command->job == RWD_JOB_REQUIRED && !out->job) {
        rwd_fail(err, RWD_E_USAGE, "rewind %s needs a job file", command->name);
        return rwd_error_next(err, "rewind %s JOB", command->name);
    }
    if (out->job) out->values[RWD_FLAG_ID_DATA] = NULL;  // the environment's, which is weaker
    return true;
}

static bool check_arg_count(const rwd_invocation *in, rwd_error *err) {
    const rwd_command *command = in->command;
    if (in->arg_count < command->least) {
        rwd_fail(err, RWD_E_USAGE, "rewind %s needs %s", command->name, command->args);
        return rwd_error_next(err, "rewind help %s", command->name);
    }
    if (in->arg_count > command->most) {
        rwd_fail(err, RWD_E_USAGE, "'%s' is one argument too many for rewind %s", in->args[command->most], command->name);
        return rwd_error_next(err, "rewind help %s", command->name);
    }
    return true;
}

bool rwd_parse_command_line(int argc, const char *const *argv, const char *(*environment)(const char *name), rwd_invocation *out, rwd_error *err) {
    *out = (rwd_invocation){0};
    bool *used = rwd_calloc((size_t)argc + 1, sizeof(*used));
    bool worked = find_command(argc, argv, out, used, err) && read_words(argc, argv, used, out, err) && read_environment(environment, out, err);
    free(used);
    if (worked && out->command && !rwd_given(out, RWD_FLAG_ID_HELP)) worked = read_job(out, err) && check_arg_count(out, err);
    if (!worked) rwd_invocation_deinit(out);
    return worked;
}

void rwd_invocation_deinit(rwd_invocation *invocation) {
    for (size_t i = 0; i < invocation->set_count; i++) free(invocation->set_keys[i]);
    *invocation = (rwd_invocation){0};
}

uint64_t rwd_count_of(const rwd_invocation *in, rwd_flag_id id, uint64_t fallback) {
    int64_t number;
    if (!in->values[id] || rwd_int_parse(rwd_slice_str(in->values[id]), &number) != RWD_PARSE_OK) return fallback;
    return (uint64_t)number;
}
