// Does a tree have the shape that the key table gives it? Every key known, everything needed there, every text of its kind and in
// its range.
//
// What must stay true: after this stage a container has the kind that the table says (short forms are written out in the tree), so
// later stages need not look again.
#include <stdio.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "operator/config/other_words.h"

#define MEMBERS_MAX 64   // of one group in the key table
#define NAME_MAX_BYTES 100

static bool check_node(rwd_job_build *b, const rwd_key *key, rwd_node *node, const char *name);

// ---- what a comma cuts off

// The rest of an expression in {...}: it has no value, and is no word.
static bool is_cut_off(const rwd_node *member) { return rwd_node_is_null(member) && strpbrk(member->key, "()<>=+*/\"'"); }

static bool fail_cut_off(rwd_job_build *b, const rwd_node *member, const char *name) {
    char word[RWD_EXCERPT_MAX];
    return rwd_build_fail(b, member->key_place, "%s%s\"%s\" stands alone: %s", name, *name ? ": " : "", rwd_excerpt(member->key, word), RWD_COMMA_ENDS);
}

// ---- unknown keys

static size_t member_names(const rwd_key *group, const char *out[MEMBERS_MAX]) {
    size_t count = 0;
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)) && count < MEMBERS_MAX; i++)
        if (rwd_key_is_inside(key, group)) out[count++] = rwd_key_name(key);
    return count;
}

// How much of the start of two paths is the same, in whole parts.
static size_t shared_parts(const char *a, const char *b) {
    size_t parts = 0;
    for (size_t i = 0; a[i] == b[i] && a[i]; i++) parts += a[i] == '.' || a[i] == '[';
    return parts;
}

// Where a key of this name belongs: below the group where it stands, or nearest to it; NULL if that is not clear.
static const rwd_key *home_of(const rwd_key *group, const char *word) {
    const rwd_key *home = NULL, *key;
    bool several = false, home_below = false;
    size_t nearest = 0, group_size = strlen(group->path);
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        if (strcmp(rwd_key_name(key), word) != 0) continue;
        bool below = group_size > 0 && strncmp(key->path, group->path, group_size) == 0 && key->path[group_size] == '.';
        size_t shared = shared_parts(key->path, group->path);
        if (home && (home_below > below || (home_below == below && nearest > shared))) continue;
        several = home && home_below == below && nearest == shared;
        home = key;
        home_below = below;
        nearest = shared;
    }
    // What is near to nothing, and a key of any table, field or output, is another one that happens to have this name.
    bool elsewhere = home && !home_below && nearest == 0 && group_size > 0 && strpbrk(home->path, "*[");
    return several || elsewhere ? NULL : home;
}

// The path with NAME where the user chooses: "tables.*.key" is shown as "tables.NAME.key".
static void shown_path(const rwd_key *key, rwd_buf *out) {
    for (const char *p = key->path; *p; p++) {
        if (*p == '*') rwd_buf_append_str(out, "NAME");
        else rwd_buf_append_char(out, *p);
    }
}

static bool unknown_key(rwd_job_build *b, const rwd_key *group, const rwd_node *member, const char *name) {
    const char *known[MEMBERS_MAX];
    if (is_cut_off(member)) return fail_cut_off(b, member, name);
    size_t count = member_names(group, known);
    const char *other = rwd_other_key(group->path, member->key);
    const char *nearest = other && rwd_key_member(group, other) ? other : rwd_nearest(member->key, known, count);
    const rwd_key *home = home_of(group, member->key);
    char word[RWD_EXCERPT_MAX];
    rwd_buf cause = {0};
    rwd_buf_appendf(&cause, "unknown key \"%s\"%s%s", rwd_excerpt(member->key, word), name[0] ? " in " : "", name);
    if (nearest) {
        rwd_buf_appendf(&cause, "; did you mean \"%s\"?", nearest);
    } else if (home) {
        rwd_buf_append_str(&cause, "; its place is ");
        if (strchr(home->path, '.')) shown_path(home, &cause);
        else rwd_buf_append_str(&cause, "the top level (no spaces before it)");
    } else {
        rwd_buf_append_str(&cause, "; known here: ");
        rwd_names_append(&cause, known, count);
    }
    rwd_build_fail(b, member->key_place, "%s", rwd_buf_cstr(&cause));
    rwd_buf_deinit(&cause);
    return false;
}

// ---- groups

static void path_of(char out[RWD_KEY_PATH_MAX], const char *holder, const char *member) {
    (void)snprintf(out, RWD_KEY_PATH_MAX, "%s%s%s", holder, holder[0] ? "." : "", member);
}

static bool missing_key(rwd_job_build *b, const rwd_key *key, const rwd_node *holder, const char *name) {
    char path[RWD_KEY_PATH_MAX];
    path_of(path, name, rwd_key_name(key));
    rwd_place place = holder->key ? holder->key_place : holder->place;
    if (key->unless)
        return rwd_build_fail(b, place, "%s%s%s or %s is missing; for example %s: %s", path, key->or_unless ? ", " : "", key->or_unless ? key->or_unless : "", key->unless,
                              rwd_key_name(key), key->example);
    return rwd_build_fail(b, place, "%s is missing; for example %s: %s", path, rwd_key_name(key), key->example);
}

static bool check_group(rwd_job_build *b, const rwd_key *group, rwd_node *node, const char *name) {
    char path[RWD_KEY_PATH_MAX];
    for (rwd_node *member = node->first; member; member = member->next) {
        const rwd_key *key = rwd_key_member(group, member->key);
        if (!key) return unknown_key(b, group, member, name);
        path_of(path, name, member->key);
        const rwd_node *other = key->excludes ? rwd_node_member(node, key->excludes) : NULL;
        if (other) return rwd_build_fail(b, other->key_place, "%s.%s and %s exclude each other; keep one", name, other->key, path);
        if (!check_node(b, key, member, path)) return false;
    }
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++)
        if (key->required && rwd_key_is_inside(key, group) && !rwd_node_member(node, rwd_key_name(key)) &&
            !(key->unless && rwd_node_member(node, key->unless)) && !(key->or_unless && rwd_node_member(node, key->or_unless)))
            return missing_key(b, key, node, name);
    return true;
}

// ---- names and lists

// What can be written in an expression without quotes.
static bool is_name(const char *text, bool dotted) {
    static const char allowed[] = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t size = strlen(text);
    return size > 0 && size <= NAME_MAX_BYTES && strspn(text, allowed + !dotted) == size && !(text[0] >= '0' && text[0] <= '9') && text[0] != '_';
}

static bool check_count(rwd_job_build *b, const rwd_key *key, const rwd_node *node, const char *name) {
    if (node->count < (size_t)key->min)
        return rwd_build_fail(b, node->place, "%s is empty; for example %s: %s", name, rwd_key_name(key), key->example);
    if (node->count > (size_t)key->max)
        return rwd_build_fail(b, node->place, "%s has %zu entries; at most %lld are possible", name, node->count, (long long)key->max);
    return true;
}

// A section of the file that was indented by a slip, and became a name: "sinks" among the tables.
static bool is_misplaced(const rwd_key *item, const rwd_node *member) {
    bool takes_a_map = item->kind == RWD_KEY_GROUP && !item->shorthand;
    return takes_a_map && member->kind != RWD_NODE_MAP && rwd_key_member(rwd_key_at(0), member->key);
}

static bool check_name(rwd_job_build *b, const rwd_key *key, const rwd_node *member, const char *name) {
    char word[RWD_EXCERPT_MAX];
    if (is_name(member->key, key->dotted)) return true;
    if (is_cut_off(member)) return fail_cut_off(b, member, name);
    return rwd_build_fail(b, member->key_place, "%s: \"%s\" is not a name; a name begins with a letter and has letters, digits%s and _, for example %s", name,
                          rwd_excerpt(member->key, word), key->dotted ? ", dots" : "", key->example);
}

static bool check_map(rwd_job_build *b, const rwd_key *key, rwd_node *node, const char *name) {
    if (!check_count(b, key, node, name)) return false;
    for (rwd_node *member = node->first; member; member = member->next) {
        char path[RWD_KEY_PATH_MAX];
        if (!check_name(b, key, member, name)) return false;
        if (is_misplaced(rwd_key_item(key), member))
            return rwd_build_fail(b, member->key_place,
                                  "\"%s\" stands among the names of %s; its place is the top level (no spaces before it)",
                                  member->key, name);
        path_of(path, name, member->key);
        if (!check_node(b, rwd_key_item(key), member, path)) return false;
    }
    return true;
}

// Names and what they stand for, where a list could stand as well.
static bool check_named_list(rwd_job_build *b, const rwd_key *key, rwd_node *node, const char *name) {
    if (!check_count(b, key, node, name)) return false;
    for (rwd_node *item = node->first; item; item = item->next) {
        char path[RWD_KEY_PATH_MAX];
        if (!check_name(b, key, item, name)) return false;
        path_of(path, name, item->key);
        if (!check_node(b, rwd_key_item(key), item, path)) return false;
    }
    return true;
}

static bool check_list(rwd_job_build *b, const rwd_key *key, rwd_node *node, const char *name) {
    if (!check_count(b, key, node, name)) return false;
    size_t index = 0;
    for (rwd_node *item = node->first; item; item = item->next) {
        char path[RWD_KEY_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s[%zu]", name, index++);
        if (!check_node(b, rwd_key_item(key), item, path)) return false;
    }
    return true;
}

// ---- any node

static bool unexpected(rwd_job_build *b, const rwd_key *key, const rwd_node *node, const char *name) {
    static const char *const found[] = {[RWD_NODE_MAP] = "a map", [RWD_NODE_LIST] = "a list"};
    rwd_buf wanted = {0};
    char word[RWD_EXCERPT_MAX];
    rwd_key_expectation(key, &wanted);
    const char *shown = name[0] ? name : "the job file";
    if (rwd_node_is_null(node))
        rwd_build_fail(b, node->place, "%s has no value; expected %s", shown, rwd_buf_cstr(&wanted));
    else if (node->kind == RWD_NODE_SCALAR)
        rwd_build_fail(b, node->place, "%s: expected %s, found \"%s\"", shown, rwd_buf_cstr(&wanted), rwd_excerpt(node->text, word));
    else
        rwd_build_fail(b, node->place, "%s: expected %s, found %s", shown, rwd_buf_cstr(&wanted), found[node->kind]);
    rwd_buf_deinit(&wanted);
    return false;
}

// Turns a scalar into a container that holds it, in place: "decimal(2)" becomes {type: decimal(2)}, "customer" becomes [customer].
static void wrap(rwd_job_build *b, rwd_node *node, rwd_node_kind kind, const char *key) {
    rwd_node *inner = rwd_node_scalar(&b->arena, node->text, node->place);
    inner->bare = node->bare;
    inner->one_line = node->one_line;
    inner->written = node->written;
    node->kind = kind;
    node->text = NULL;
    if (kind == RWD_NODE_MAP) rwd_node_put(&b->arena, node, key, node->place, inner);
    else rwd_node_append(node, inner);
}

static bool check_text(rwd_job_build *b, const rwd_key *key, const rwd_node *node, const char *name) {
    return rwd_key_read(key, name, node->text, NULL, b->err) || rwd_place_error(b->err, b->file, node->place);
}

static bool check_node(rwd_job_build *b, const rwd_key *key, rwd_node *node, const char *name) {
    if (rwd_node_is_null(node)) return unexpected(b, key, node, name);
    if (node->kind == RWD_NODE_SCALAR && key->shorthand) {
        // Checked here, so that a message does not name a key that is not written.
        if (!check_text(b, rwd_key_member(key, key->shorthand), node, name)) return false;
        wrap(b, node, RWD_NODE_MAP, key->shorthand);
    }
    if (node->kind == RWD_NODE_SCALAR && key->one) wrap(b, node, RWD_NODE_LIST, NULL);
    if (node->kind == RWD_NODE_MAP && key->named) return check_named_list(b, key, node, name);
    rwd_node_kind wanted = key->kind == RWD_KEY_LIST ? RWD_NODE_LIST : rwd_key_is_container(key) ? RWD_NODE_MAP : RWD_NODE_SCALAR;
    if (node->kind != wanted) return unexpected(b, key, node, name);
    switch (key->kind) {
    case RWD_KEY_GROUP: return check_group(b, key, node, name);
    case RWD_KEY_MAP: return check_map(b, key, node, name);
    case RWD_KEY_LIST: return check_list(b, key, node, name);
    default: return check_text(b, key, node, name);
    }
}

bool rwd_build_check(rwd_job_build *b) { return check_node(b, rwd_key_at(0), b->root, ""); }
