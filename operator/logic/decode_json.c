// A strict walk over the tokens of one JSON record (RFC 8259).
//
// Every token is judged, wanted or not: a number by its grammar, a literal by its letters, a string by its escapes (\u escapes must make whole characters: a
// surrogate without its partner is a mistake), commas, colons and brackets by their order, nesting by RWD_JSON_NESTING_MAX, and nothing may
// follow the object. Of members with the same name the last one counts, as in most readers; an object that comes again replaces the earlier one with all
// that was inside.
//
// Wanted members form a tree: path "a.b" is member b of member a. A member whose own name holds a dot cannot be named by a path.
#include <assert.h>
#include <stdlib.h>

#include "operator/logic/decode_private.h"
#include "operator/logic/json_index_private.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define RWD_JSON_NESTING_MAX 64
#define NONE (-1)

// A wanted member of some object. Fields of the same path are chained.
typedef struct member {
    char *name;
    uint32_t size;
    uint64_t head;         // its first 8 bytes, zero-padded
    int16_t first_field;   // or NONE: it is only on the way to others
    int16_t level;         // members wanted inside of it, or NONE
} member;

// The wanted members of one object, in an open-addressing table of member indexes.
typedef struct level {
    int16_t *slots;        // NONE: free
    uint32_t mask;
} level;

struct rwd_json_plan {
    rwd_json_index *index;
    member *members;
    size_t member_count;
    level *levels;         // 0: the record's own object
    size_t level_count;
    int16_t *same_path;    // per field: the next field of the same path, or NONE
    int16_t *level_of;     // per member: the level that it is in
    int16_t *guess;        // per member: the one that came behind it last time; only speed depends on it
    rwd_buf scratch;       // a member name with escapes
};

// ---------------------------------------------------------------------------------------------- the tree of wanted members

// The first `size` (at most 8) bytes; 8 are readable.
static inline uint64_t head_of(const uint8_t *name, size_t size) {
    uint64_t head;
    memcpy(&head, name, 8);
    return size >= 8 ? head : head & ~(~0ull << (8 * size));
}

static inline uint32_t slot_of(uint64_t head, size_t size) { return (uint32_t)(((head ^ size) * 0x9E3779B97F4A7C15u) >> 40); }

static inline bool member_is(const member *m, uint64_t head, const uint8_t *name, size_t size) {
    return m->head == head && m->size == size && (size <= 8 || memcmp(m->name + 8, name + 8, size - 8) == 0);
}

static int find_member(const rwd_json_plan *plan, int in, uint64_t head, const uint8_t *name, size_t size) {
    const level *l = &plan->levels[in];
    for (uint32_t i = slot_of(head, size) & l->mask;; i = (i + 1) & l->mask) {
        if (l->slots[i] == NONE) return NONE;
        if (member_is(&plan->members[l->slots[i]], head, name, size)) return l->slots[i];
    }
}

// Members are at most as many as path parts of all fields, so a level with twice the slots never fills up.
static int add_level(rwd_json_plan *plan, size_t parts) {
    uint32_t slots = 4;
    while (slots < parts * 2) slots *= 2;
    level *l = &plan->levels[plan->level_count];
    *l = (level){.slots = rwd_malloc(slots * sizeof *l->slots), .mask = slots - 1};
    for (uint32_t i = 0; i < slots; i++) l->slots[i] = NONE;
    return (int)plan->level_count++;
}

static int add_member(rwd_json_plan *plan, int in, const char *name, size_t size) {
    uint8_t padded[8] = {0};
    memcpy(padded, name, size < 8 ? size : 8);
    uint64_t head = head_of(padded, size);
    int found = find_member(plan, in, head, (const uint8_t *)name, size);
    if (found != NONE) return found;
    int at = (int)plan->member_count++;
    plan->members[at] = (member){.name = rwd_strndup(name, size), .size = (uint32_t)size, .head = head, .first_field = NONE, .level = NONE};
    plan->level_of[at] = (int16_t)in;
    plan->guess[at] = (int16_t)at;
    level *l = &plan->levels[in];
    uint32_t i = slot_of(head, size) & l->mask;
    while (l->slots[i] != NONE) i = (i + 1) & l->mask;
    l->slots[i] = (int16_t)at;
    return at;
}

static void add_path(rwd_json_plan *plan, const char *path, int field, size_t parts) {
    int in = 0;
    for (;;) {
        const char *dot = strchr(path, '.');
        int at = add_member(plan, in, path, dot ? (size_t)(dot - path) : strlen(path));
        member *m = &plan->members[at];
        if (!dot) {
            plan->same_path[field] = m->first_field;
            m->first_field = (int16_t)field;
            return;
        }
        if (m->level == NONE) m->level = (int16_t)add_level(plan, parts);
        in = m->level;
        path = dot + 1;
    }
}

rwd_json_plan *rwd_json_plan_new(const rwd_job *job) {
    rwd_json_plan *plan = rwd_calloc(1, sizeof *plan);
    size_t parts = job->event.field_count;
    for (size_t i = 0; i < job->event.field_count; i++)
        for (const char *p = job->event.fields[i].path; *p; p++) parts += *p == '.';
    assert(parts <= INT16_MAX && "paths are bounded by the job file's size");
    plan->index = rwd_json_index_new();
    plan->members = rwd_calloc(parts + 1, sizeof *plan->members);
    plan->levels = rwd_calloc(parts + 1, sizeof *plan->levels);
    plan->same_path = rwd_calloc(job->event.field_count + 1, sizeof *plan->same_path);
    plan->level_of = rwd_calloc(parts + 1, sizeof *plan->level_of);
    plan->guess = rwd_calloc(parts + 1, sizeof *plan->guess);
    for (size_t i = 0; i <= parts; i++) plan->level_of[i] = NONE;
    (void)add_level(plan, parts);
    for (size_t i = 0; i < job->event.field_count; i++) add_path(plan, job->event.fields[i].path, (int)i, parts);
    return plan;
}

void rwd_json_plan_free(rwd_json_plan *plan) {
    if (!plan) return;
    for (size_t i = 0; i < plan->member_count; i++) free(plan->members[i].name);
    for (size_t i = 0; i < plan->level_count; i++) free(plan->levels[i].slots);
    free(plan->members);
    free(plan->levels);
    free(plan->same_path);
    free(plan->level_of);
    free(plan->guess);
    rwd_buf_deinit(&plan->scratch);
    rwd_json_index_free(plan->index);
    free(plan);
}

// ---------------------------------------------------------------------------------------------- strings

static inline bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static inline bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

// First backslash or quote in [p, end), or `end`. Up to 15 bytes behind `end` are read.
static inline const uint8_t *find_escape_or_quote(const uint8_t *p, const uint8_t *end) {
#ifdef __SSE2__
    const __m128i backslash = _mm_set1_epi8('\\'), quote = _mm_set1_epi8('"');
    for (; p < end; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned hits = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, backslash), _mm_cmpeq_epi8(bytes, quote)));
        if (!hits) continue;
        p += __builtin_ctz(hits);
        return p < end ? p : end;
    }
    return end;
#else
    while (p < end && *p != '\\' && *p != '"') p++;
    return p;
#endif
}

static int hex_digit(uint8_t c) {
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Four hex digits at `p`; false if they are not there.
static bool take_hex4(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    if (end - p < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

// The character that the escape at `p` (behind the backslash) stands for; returns where it ends, or NULL.
static const uint8_t *take_escape(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    if (p == end) return NULL;
    switch (*p++) {
    case '"': *out = '"'; return p;
    case '\\': *out = '\\'; return p;
    case '/': *out = '/'; return p;
    case 'b': *out = '\b'; return p;
    case 'f': *out = '\f'; return p;
    case 'n': *out = '\n'; return p;
    case 'r': *out = '\r'; return p;
    case 't': *out = '\t'; return p;
    case 'u': break;
    default: return NULL;
    }
    uint32_t low;
    if (!take_hex4(p, end, out)) return NULL;
    p += 4;
    if (*out < 0xD800 || *out > 0xDFFF) return p;
    bool pair = *out < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && take_hex4(p + 2, end, &low) && low >= 0xDC00 && low <= 0xDFFF;
    if (!pair) return NULL;
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return p + 6;
}

static size_t put_utf8(uint32_t c, uint8_t *out) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (uint8_t)(lead[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++) out[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3F));
    return more + 1;
}

size_t rwd_json_unescape(rwd_slice text, uint8_t *out) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    size_t size = 0;
    while (p < end) {
        if (*p != '\\') {
            out[size++] = *p++;
            continue;
        }
        uint32_t c = 0;
        p = take_escape(p + 1, end, &c);
        assert(p && "escapes were judged by the walk");
        size += put_utf8(c, out + size);
    }
    return size;
}

// Judges the inside of a string; returns NULL if it is right, or the place of the mistake.
static const uint8_t *judge_string(const uint8_t *p, const uint8_t *end, bool *out_escaped) {
    *out_escaped = false;
    for (;;) {
        p = find_escape_or_quote(p, end);
        if (p == end) return NULL;
        uint32_t c;
        const uint8_t *next = *p == '\\' ? take_escape(p + 1, end, &c) : NULL;
        if (!next) return p;
        *out_escaped = true;
        p = next;
    }
}

// ---------------------------------------------------------------------------------------------- numbers

// Judges [p, end) by the grammar of numbers and reads it on the way.
static inline bool take_number(const uint8_t *p, const uint8_t *end, rwd_raw *out) {
    out->kind = RWD_RAW_NUMBER;
    out->at = p;
    out->size = (uint32_t)(end - p);
    out->negative = *p == '-';
    p += out->negative;
    uint64_t value = 0;
    const uint8_t *whole = p, *fraction = p;
    while (p < end && is_digit(*p)) value = value * 10 + (uint64_t)(*p++ - '0');
    ptrdiff_t digits = p - whole, behind = 0;
    if (digits == 0 || (*whole == '0' && digits > 1)) return false;
    if (p < end && *p == '.') {
        fraction = ++p;
        while (p < end && is_digit(*p)) value = value * 10 + (uint64_t)(*p++ - '0');
        behind = p - fraction;
        if (behind == 0) return false;
    }
    out->simple = digits + behind <= 18 && p == end;
    out->fraction = (uint8_t)behind;
    out->digits = value;
    if (p == end) return true;
    if ((*p | 0x20) != 'e') return false;
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    if (p == end) return false;
    while (p < end && is_digit(*p)) p++;
    return p == end;
}

// ---------------------------------------------------------------------------------------------- the walk

typedef struct walk {
    rwd_json_plan *plan;
    const uint8_t *text;
    const uint32_t *at;    // token positions; at[count] is the size
    size_t i, count;       // the token in hand
    rwd_raw *raw;
    rwd_fault *fault;
    int last;              // the wanted member seen last, for the guess
} walk;

static bool malformed(walk *w, size_t at, const char *why) { return rwd_fault_set(w->fault, RWD_E_MALFORMED, -1, at, why); }
static bool unexpected(walk *w) {
    if (w->i >= w->count) return malformed(w, w->at[w->count], "the JSON text ends too early");
    return malformed(w, w->at[w->i], "not valid JSON");
}

// Where the token in hand ends, without the white space behind it.
static inline const uint8_t *token_end(const walk *w) {
    const uint8_t *begin = w->text + w->at[w->i], *end = w->text + w->at[w->i + 1];
    while (end > begin && is_space(end[-1])) end--;
    return end;
}

static void forget_inside(walk *w, int m);

// What is known of a member ends: it comes again, or something around it does.
static void forget(walk *w, int m) {
    for (int f = w->plan->members[m].first_field; f != NONE; f = w->plan->same_path[f]) w->raw[f].kind = RWD_RAW_ABSENT;
    forget_inside(w, m);
}

// Depth: of declared paths.
static void forget_inside(walk *w, int m) {
    int in = w->plan->members[m].level;
    if (in == NONE) return;
    for (size_t other = 0; other < w->plan->member_count; other++)
        if (w->plan->level_of[other] == in) forget(w, (int)other);
}

static inline void keep(walk *w, int m, const rwd_raw *value) {
    if (m == NONE) return;
    forget_inside(w, m);
    for (int f = w->plan->members[m].first_field; f != NONE; f = w->plan->same_path[f]) w->raw[f] = *value;
}

static inline bool take_string(walk *w, rwd_raw *out) {
    const uint8_t *begin = w->text + w->at[w->i], *end = token_end(w);
    if (end - begin < 2 || end[-1] != '"') return unexpected(w);
    const uint8_t *mistake = judge_string(begin + 1, end - 1, &out->escaped);
    if (mistake) return malformed(w, (size_t)(mistake - w->text), "not a valid escape in a JSON string");
    out->kind = RWD_RAW_STRING;
    out->at = begin + 1;
    out->size = (uint32_t)(end - begin - 2);
    return true;
}

static inline bool take_literal(walk *w, const char *word, size_t size) {
    const uint8_t *begin = w->text + w->at[w->i];
    return (size_t)(token_end(w) - begin) == size && memcmp(begin, word, size) == 0 ? true : unexpected(w);
}

// A string, number, true, false or null.
static inline bool take_scalar(walk *w, rwd_raw *out) {
    const uint8_t *begin = w->text + w->at[w->i];
    out->at = begin;
    switch (*begin) {
    case '"': return take_string(w, out);
    case 't':
    case 'f':
        out->kind = RWD_RAW_BOOL;
        out->truth = *begin == 't';
        return out->truth ? take_literal(w, "true", 4) : take_literal(w, "false", 5);
    case 'n': out->kind = RWD_RAW_ABSENT; return take_literal(w, "null", 4);
    default:
        if (*begin != '-' && !is_digit(*begin)) return unexpected(w);
        return take_number(begin, token_end(w), out) ? true : malformed(w, w->at[w->i], "not a JSON number");
    }
}

// A member name that holds escapes names the same member as without them.
static int find_escaped(walk *w, int in, const rwd_raw *key) {
    rwd_buf *scratch = &w->plan->scratch;
    rwd_buf_clear(scratch);
    rwd_buf_reserve(scratch, key->size + 8);
    size_t size = rwd_json_unescape(rwd_slice_of(key->at, key->size), scratch->data);
    memset(scratch->data + size, 0, 8);
    return find_member(w->plan, in, head_of(scratch->data, size), scratch->data, size);
}

// The name and the colon of a member; `out` is the wanted member of that name, or NONE. Members mostly come in the order of the last record.
static inline bool take_name(walk *w, int in, int *out) {
    rwd_raw key;
    if (w->i >= w->count || w->text[w->at[w->i]] != '"') return unexpected(w);
    if (!take_string(w, &key)) return false;
    w->i++;
    if (w->i >= w->count || w->text[w->at[w->i]] != ':') return unexpected(w);
    w->i++;
    *out = NONE;
    if (in == NONE) return true;
    if (key.escaped) {
        *out = find_escaped(w, in, &key);
        return true;
    }
    uint64_t head = head_of(key.at, key.size);
    int guess = w->plan->guess[w->last];
    bool right = w->plan->level_of[guess] == in && member_is(&w->plan->members[guess], head, key.at, key.size);
    *out = right ? guess : find_member(w->plan, in, head, key.at, key.size);
    if (*out == NONE) return true;
    w->plan->guess[w->last] = (int16_t)*out;
    w->last = *out;
    return true;
}

// One JSON value and all inside of it, from the token in hand on.
static bool take_value(walk *w) {
    struct { bool object; int16_t level; } stack[RWD_JSON_NESTING_MAX];
    int depth = 0, wanted = NONE, level_here = 0;
    rwd_raw value = {0};
value:
    if (w->i >= w->count) return unexpected(w);
    uint8_t c = w->text[w->at[w->i]];
    if (c == '{' || c == '[') {
        if (depth == RWD_JSON_NESTING_MAX) return malformed(w, w->at[w->i], "JSON nested too deeply");
        value.kind = RWD_RAW_NESTED;
        value.at = w->text + w->at[w->i];
        keep(w, wanted, &value);
        if (depth > 0) level_here = c == '{' && wanted != NONE ? w->plan->members[wanted].level : NONE;
        stack[depth].object = c == '{';
        stack[depth].level = (int16_t)level_here;
        depth++;
        w->i++;
        if (w->i < w->count && w->text[w->at[w->i]] == (c == '{' ? '}' : ']')) goto close;
        if (c == '{') goto name;
        wanted = NONE;
        goto value;
    }
    if (!take_scalar(w, &value)) return false;
    keep(w, wanted, &value);
    w->i++;
behind:
    if (depth == 0) return true;
    if (w->i >= w->count) return unexpected(w);
    c = w->text[w->at[w->i]];
    if (c == ',') {
        w->i++;
        if (stack[depth - 1].object) goto name;
        wanted = NONE;
        goto value;
    }
    if (c != (stack[depth - 1].object ? '}' : ']')) return unexpected(w);
close:
    w->i++;
    depth--;
    goto behind;
name:
    if (!take_name(w, stack[depth - 1].level, &wanted)) return false;
    goto value;
}

// ---------------------------------------------------------------------------------------------- records

// Where the first stage's complaint points to: off the fast path.
static size_t find_mistake(rwd_slice text, rwd_json_verdict verdict) {
    if (verdict == RWD_JSON_UTF8) return rwd_utf8_valid_size(text);
    size_t opened = 0;
    bool inside = false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            inside = !inside;
            opened = i;
        } else if (inside && text.data[i] == '\\') {
            i++;
        } else if (inside && text.data[i] < 0x20 && verdict == RWD_JSON_CONTROL) {
            return i;
        }
    }
    return verdict == RWD_JSON_UNCLOSED ? opened : 0;
}

static bool refuse(rwd_slice record, rwd_json_verdict verdict, rwd_fault *out_fault) {
    static const char *const words[] = {
        [RWD_JSON_EMPTY] = "nothing but white space where a JSON object should be",
        [RWD_JSON_UTF8] = "not valid UTF-8",
        [RWD_JSON_UNCLOSED] = "a JSON string that is never closed",
        [RWD_JSON_CONTROL] = "a control character inside a JSON string",
        [RWD_JSON_OTHER] = "not valid JSON",
    };
    return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, find_mistake(record, verdict), words[verdict]);
}

bool rwd_json_take_apart(rwd_json_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault) {
    walk w = {.plan = plan, .text = record.data, .raw = raw, .fault = out_fault};
    rwd_json_verdict verdict = rwd_json_index_build(plan->index, record.data, record.size, &w.at, &w.count);
    if (verdict != RWD_JSON_OK) return refuse(record, verdict, out_fault);
    if (!take_value(&w)) return false;
    if (w.i < w.count) return malformed(&w, w.at[w.i], "something behind the end of the JSON value");
    if (record.data[w.at[0]] != '{') return rwd_fault_set(out_fault, RWD_E_WRONG_TYPE, -1, w.at[0], "the record is not a JSON object");
    return true;
}
