// A strict walk over the tokens of one JSON record (RFC 8259).
//
// Every token is judged, wanted or not: a number by its grammar, a literal by its letters, a string by its escapes (\u escapes must make whole characters: a
// surrogate without its partner is a mistake), commas, colons and brackets by their order, nesting by RWD_JSON_NESTING_MAX, and nothing may
// follow the object. Of members with the same name the last one counts, as in most readers; an object that comes again replaces the earlier one with all
// that was inside.
//
// Wanted members form a tree: path "a.b" is member b of member a, "a[0]" is its first element (config/json_path.h has the grammar).
//
// The array that event.each names is wanted, too, and its elements are walked again, one by one, each with a tree of its own whose root is the element. By then
// every token was judged, so those walks cannot fail.
#include <assert.h>
#include <stdlib.h>

#include "operator/config/json_path.h"
#include "operator/logic/decode_private.h"
#include "operator/logic/json_index_private.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define RWD_JSON_NESTING_MAX 64
#define NONE (-1)
// Inlined wherever they are used: the walk is one loop over tokens.
#define ALWAYS_INLINE static inline __attribute__((always_inline))

// A wanted member of some object, or element of some array. Fields of the same path are chained.
typedef struct member {
    char *name;            // NULL: an element
    uint32_t size;         // of the name; of an element, its index
    uint64_t head;         // its first 8 bytes, zero-padded
    int16_t first_field;   // or NONE: it is only on the way to others
    int16_t level;         // what is wanted inside of it, or NONE
} member;

// What is wanted of one object or array: members in an open-addressing table of member indexes, elements in the order of their indexes.
typedef struct level {
    int16_t *slots;        // NONE: free
    uint32_t mask;
    int16_t *elements;
    uint16_t element_count;
} level;

// Records mostly have the shape of the one before: a name that stands where it stood needs no search, and the processor does not wait for one.
#define EXPECTED_NAMES 64
typedef struct expected_name {
    uint64_t head;
    uint32_t size;
    int16_t in;            // level; NONE: nothing is expected
    int16_t found;
} expected_name;

struct rwd_json_plan {
    rwd_json_index *index;
    member *members;
    size_t member_count;
    level *levels;         // 0: the record's own object, or the element of event.each
    size_t level_count;
    int16_t root;          // the member that the walked value itself is, or NONE
    int16_t *same_path;    // per field: the next field of the same path, or NONE
    bool paths_repeat;     // there is one
    int16_t *level_of;     // per member: the level that it is in
    rwd_buf scratch;       // a member name with escapes
    expected_name expected[EXPECTED_NAMES];  // by the token's number, as the last record had it; only speed depends on it
    struct { bool object; int16_t level; uint16_t next; uint32_t index; } stack[RWD_JSON_NESTING_MAX];  // of the walk; here, so that it is not cleared for every record
    // Of event.each; else NULL and 0.
    rwd_json_plan *inside; // what is wanted of an element
    size_t each;           // the raw field that the array itself is
    const uint32_t *at;    // the next element's first token
    const uint32_t *tokens, *stop;
    const uint8_t *text;
    bool plain;
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

static inline int find_member(const rwd_json_plan *plan, int in, uint64_t head, const uint8_t *name, size_t size) {
    const level *l = &plan->levels[in];
    for (uint32_t i = slot_of(head, size) & l->mask;; i = (i + 1) & l->mask) {
        if (l->slots[i] == NONE) return NONE;
        if (member_is(&plan->members[l->slots[i]], head, name, size)) return l->slots[i];
    }
}

// Members are at most as many as path steps of all fields, so a level with four times the slots never fills up.
static int add_level(rwd_json_plan *plan, size_t steps) {
    uint32_t slots = 8;
    while (slots < steps * 4) slots *= 2;
    level *l = &plan->levels[plan->level_count];
    *l = (level){.slots = rwd_malloc(slots * sizeof *l->slots), .mask = slots - 1, .elements = rwd_calloc(steps + 1, sizeof *l->elements)};
    for (uint32_t i = 0; i < slots; i++) l->slots[i] = NONE;
    return (int)plan->level_count++;
}

static int new_member(rwd_json_plan *plan, int in, member m) {
    int at = (int)plan->member_count++;
    m.first_field = m.level = NONE;
    plan->members[at] = m;
    plan->level_of[at] = (int16_t)in;
    return at;
}

static int add_name(rwd_json_plan *plan, int in, const char *name) {
    size_t size = strlen(name);
    uint8_t padded[8] = {0};
    memcpy(padded, name, size < 8 ? size : 8);
    uint64_t head = head_of(padded, size);
    int found = find_member(plan, in, head, (const uint8_t *)name, size);
    if (found != NONE) return found;
    int at = new_member(plan, in, (member){.name = rwd_strdup(name), .size = (uint32_t)size, .head = head});
    level *l = &plan->levels[in];
    uint32_t i = slot_of(head, size) & l->mask;
    while (l->slots[i] != NONE) i = (i + 1) & l->mask;
    l->slots[i] = (int16_t)at;
    return at;
}

static int add_element(rwd_json_plan *plan, int in, uint32_t index) {
    level *l = &plan->levels[in];
    uint16_t place = 0;
    while (place < l->element_count && plan->members[l->elements[place]].size < index) place++;
    if (place < l->element_count && plan->members[l->elements[place]].size == index) return l->elements[place];
    memmove(l->elements + place + 1, l->elements + place, (size_t)(l->element_count - place) * sizeof *l->elements);
    l->element_count++;
    l->elements[place] = (int16_t)new_member(plan, in, (member){.size = index});
    return l->elements[place];
}

static void add_path(rwd_json_plan *plan, const rwd_json_path *path, int field, size_t steps) {
    int in = 0, at = NONE;
    for (size_t i = 0; i < path->count; i++) {
        at = path->steps[i].name ? add_name(plan, in, path->steps[i].name) : add_element(plan, in, path->steps[i].index);
        if (i + 1 == path->count) break;
        if (plan->members[at].level == NONE) plan->members[at].level = (int16_t)add_level(plan, steps);
        in = plan->members[at].level;
    }
    if (path->count == 0) {
        if (plan->root == NONE) plan->root = (int16_t)new_member(plan, NONE, (member){0});
        at = plan->root;
    }
    member *m = &plan->members[at];
    plan->same_path[field] = m->first_field;
    plan->paths_repeat |= m->first_field != NONE;
    m->first_field = (int16_t)field;
}

// The paths of those of `count` fields that are `inside`.
static rwd_json_plan *plan_of(const rwd_json_path *paths, size_t count, bool inside) {
    rwd_json_plan *plan = rwd_calloc(1, sizeof *plan);
    size_t steps = 1;
    for (size_t i = 0; i < count; i++) steps += paths[i].inside == inside ? paths[i].count : 0;
    assert(steps <= INT16_MAX && "fields and steps of a path are bounded");
    plan->root = NONE;
    plan->members = rwd_calloc(steps + 1, sizeof *plan->members);
    plan->levels = rwd_calloc(steps + 1, sizeof *plan->levels);
    plan->same_path = rwd_calloc(count, sizeof *plan->same_path);
    plan->level_of = rwd_calloc(steps + 1, sizeof *plan->level_of);
    for (size_t i = 0; i <= steps; i++) plan->level_of[i] = NONE;
    for (size_t i = 0; i < EXPECTED_NAMES; i++) plan->expected[i].in = NONE;
    (void)add_level(plan, steps);
    for (size_t i = 0; i < count; i++)
        if (paths[i].inside == inside) add_path(plan, &paths[i], (int)i, steps);
    return plan;
}

rwd_json_plan *rwd_json_plan_new(const rwd_job *job) {
    size_t fields = job->event.field_count, count = fields + (job->event.each != NULL);
    rwd_json_path *paths = rwd_calloc(count, sizeof *paths);
    for (size_t i = 0; i < count; i++) {
        bool parsed = rwd_json_path_parse(i < fields ? job->event.fields[i].path : job->event.each, &paths[i], NULL);
        assert(parsed && "paths were checked with the job file");
        (void)parsed;
    }
    rwd_json_plan *plan = plan_of(paths, count, false);
    plan->index = rwd_json_index_new();
    plan->each = fields;
    if (job->event.each) plan->inside = plan_of(paths, fields, true);
    for (size_t i = 0; i < count; i++) rwd_json_path_deinit(&paths[i]);
    free(paths);
    return plan;
}

void rwd_json_plan_free(rwd_json_plan *plan) {
    if (!plan) return;
    for (size_t i = 0; i < plan->member_count; i++) free(plan->members[i].name);
    for (size_t i = 0; i < plan->level_count; i++) {
        free(plan->levels[i].slots);
        free(plan->levels[i].elements);
    }
    free(plan->members);
    free(plan->levels);
    free(plan->same_path);
    free(plan->level_of);
    rwd_buf_deinit(&plan->scratch);
    if (plan->index) rwd_json_index_free(plan->index);
    rwd_json_plan_free(plan->inside);
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

// Eight decimal digits, as their values from the least significant byte on (Lemire, "Quickly parsing eight digits", 2018).
static inline uint64_t value_of_eight(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0x000000FF000000FFu) * 0x000F424000000064u + (digits >> 16 & 0x000000FF000000FFu) * 0x0000271000000001u) >> 32;
}

// The digits at `p`, eight at a time and without a branch for each; up to 8 bytes behind `end` are read. Returns the first byte that is no digit.
static inline const uint8_t *take_digits(const uint8_t *p, const uint8_t *end, uint64_t *value) {
    static const uint64_t pow10[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    for (;;) {
        uint64_t digits = rwd_get_le64(p) ^ 0x3030303030303030u;
        uint64_t others = (((digits & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | digits) & 0x8080808080808080u;
        size_t count = others ? (size_t)__builtin_ctzll(others) / 8 : 8, left = (size_t)(end - p);
        if (count > left) count = left;
        if (count == 8) {
            *value = *value * 100000000 + value_of_eight(digits);
            p += 8;
            continue;
        }
        if (count > 0) *value = *value * pow10[count] + value_of_eight(digits << (64 - 8 * count));
        return p + count;
    }
}

// Judges [p, end) by the grammar of numbers and reads it on the way.
static inline bool take_number(const uint8_t *p, const uint8_t *end, rwd_raw *out) {
    bool negative = *p == '-';
    uint64_t value = 0;
    out->kind = RWD_RAW_NUMBER;
    out->at = p;
    out->size = (uint32_t)(end - p);
    out->negative = negative;
    const uint8_t *whole = p + negative;
    p = take_digits(whole, end, &value);
    ptrdiff_t digits = p - whole, behind = 0;
    if (digits == 0 || (*whole == '0' && digits > 1)) return false;
    if (p < end && *p == '.') {
        const uint8_t *fraction = p + 1;
        p = take_digits(fraction, end, &value);
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
    const uint32_t *stop;  // behind the last token's position stands the text's size
    bool plain;            // no backslash in all of the text: no string needs a look at its inside
    rwd_raw *raw;
    rwd_raw unwanted;      // where values go that nobody asked for
    rwd_fault *fault;
} walk;

static bool malformed(const walk *w, size_t at, const char *why) { return rwd_fault_set(w->fault, RWD_E_MALFORMED, -1, at, why); }

// The token at `t` is not one that may stand there.
static bool unexpected(const walk *w, const uint32_t *t) {
    if (t >= w->stop) return malformed(w, *w->stop, "the JSON text ends too early");
    return malformed(w, *t, "not valid JSON");
}

// Where the token at `t` ends, without the white space behind it. Its first byte is none.
static inline const uint8_t *token_end(const uint8_t *text, const uint32_t *t) {
    const uint8_t *end = text + t[1];
    while (end[-1] <= ' ' && is_space(end[-1])) end--;
    return end;
}

static void forget_inside(const walk *w, int m);

// What is known of a member ends: something around it comes again.
static void forget(const walk *w, int m) {
    for (int f = w->plan->members[m].first_field; f != NONE; f = w->plan->same_path[f]) w->raw[f].kind = RWD_RAW_ABSENT;
    if (w->plan->members[m].level != NONE) forget_inside(w, m);
}

// Depth: of declared paths.
static void forget_inside(const walk *w, int m) {
    int in = w->plan->members[m].level;
    for (size_t other = 0; other < w->plan->member_count; other++)
        if (w->plan->level_of[other] == in) forget(w, (int)other);
}

// Where the value of wanted member `m` goes.
static inline rwd_raw *place_for(walk *w, int m) {
    if (m == NONE) return &w->unwanted;
    const member *wanted = &w->plan->members[m];
    if (wanted->level != NONE) forget_inside(w, m);
    return wanted->first_field != NONE ? &w->raw[wanted->first_field] : &w->unwanted;
}

// Other fields of the same path get the value, too.
static inline void spread(const walk *w, int m) {
    if (!w->plan->paths_repeat || m == NONE || w->plan->members[m].first_field == NONE) return;
    int first = w->plan->members[m].first_field;
    for (int f = w->plan->same_path[first]; f != NONE; f = w->plan->same_path[f]) w->raw[f] = w->raw[first];
}

static bool bad_string(const walk *w, const uint32_t *t, const uint8_t *mistake) {
    return mistake ? malformed(w, (size_t)(mistake - w->text), "not a valid escape in a JSON string") : unexpected(w, t);
}

// The first stage found where strings begin and that they are closed; without backslashes nothing is left to judge.
ALWAYS_INLINE bool take_string(const walk *w, const uint8_t *text, const uint32_t *t, rwd_raw *out) {
    const uint8_t *begin = text + *t, *end = token_end(text, t);
    if (end - begin < 2 || end[-1] != '"') return unexpected(w, t);
    out->kind = RWD_RAW_STRING;
    out->escaped = false;
    out->at = begin + 1;
    out->size = (uint32_t)(end - begin - 2);
    if (w->plain) return true;
    const uint8_t *mistake = judge_string(begin + 1, end - 1, &out->escaped);
    return !mistake || bad_string(w, t, mistake);
}

ALWAYS_INLINE bool take_literal(const walk *w, const uint8_t *text, const uint32_t *t, const char *word, size_t size) {
    const uint8_t *begin = text + *t;
    return (size_t)(token_end(text, t) - begin) == size && memcmp(begin, word, size) == 0 ? true : unexpected(w, t);
}

// A string, number, true, false or null.
ALWAYS_INLINE bool take_scalar(const walk *w, const uint8_t *text, const uint32_t *t, rwd_raw *out) {
    const uint8_t *begin = text + *t;
    switch (*begin) {
    case '"': return take_string(w, text, t, out);
    case 't':
    case 'f':
        out->at = begin;
        out->kind = RWD_RAW_BOOL;
        out->truth = *begin == 't';
        return out->truth ? take_literal(w, text, t, "true", 4) : take_literal(w, text, t, "false", 5);
    case 'n': out->kind = RWD_RAW_ABSENT; return take_literal(w, text, t, "null", 4);
    default:
        if (*begin != '-' && !is_digit(*begin)) return unexpected(w, t);
        return take_number(begin, token_end(text, t), out) ? true : malformed(w, *t, "not a JSON number");
    }
}

// A member name that holds escapes names the same member as without them.
static int find_escaped(const walk *w, int in, const rwd_raw *key) {
    rwd_buf *scratch = &w->plan->scratch;
    rwd_buf_clear(scratch);
    rwd_buf_reserve(scratch, key->size + 8);
    size_t size = rwd_json_unescape(rwd_slice_of(key->at, key->size), scratch->data);
    memset(scratch->data + size, 0, 8);
    return find_member(w->plan, in, head_of(scratch->data, size), scratch->data, size);
}

// Which wanted member of level `in` is called so, or NONE. `number`: of the name's token.
ALWAYS_INLINE int find_name(rwd_json_plan *plan, int in, size_t number, const uint8_t *name, size_t size) {
    if (in == NONE) return NONE;
    uint64_t head = head_of(name, size);
    expected_name *expected = &plan->expected[number % EXPECTED_NAMES];
    if (expected->head == head && expected->size == size && expected->in == in) {
        if (size <= 8) return expected->found;
        if (expected->found != NONE && memcmp(plan->members[expected->found].name + 8, name + 8, size - 8) == 0) return expected->found;
    }
    int found = find_member(plan, in, head, name, size);
    *expected = (expected_name){.head = head, .size = (uint32_t)size, .in = (int16_t)in, .found = (int16_t)found};
    return found;
}

// The name at `t` with the colon behind it; `out` is the wanted member of that name, or NONE.
ALWAYS_INLINE bool take_name(walk *w, const uint8_t *text, const uint32_t *t, const uint32_t *stop, int in, int *out) {
    rwd_raw *key = &w->unwanted;
    if (t >= stop || text[*t] != '"') return unexpected(w, t);
    if (!take_string(w, text, t, key)) return false;
    if (t + 1 >= stop || text[t[1]] != ':') return unexpected(w, t + 1);
    *out = key->escaped && in != NONE ? find_escaped(w, in, key) : find_name(w->plan, in, (size_t)(stop - t), key->at, key->size);
    return true;
}

// The wanted element of level `in` at which the walk through an array is, or NONE.
ALWAYS_INLINE int find_element(const rwd_json_plan *plan, int in, uint32_t index, uint16_t *next) {
    if (in == NONE || *next >= plan->levels[in].element_count) return NONE;
    int element = plan->levels[in].elements[*next];
    if (plan->members[element].size != index) return NONE;
    ++*next;
    return element;
}

// One JSON value and all inside of it, from the token at `t` on; `*out_t` is the token behind it.
static bool take_value(walk *w, const uint32_t *t, const uint32_t **out_t) {
    const uint8_t *const text = w->text;
    const uint32_t *const stop = w->stop;
    rwd_json_plan *const plan = w->plan;
    int depth = 0, wanted = plan->root, level_here = 0;
value:
    if (t >= stop) return unexpected(w, t);
    uint8_t c = text[*t];
    if (c == '{' || c == '[') {
        if (depth == RWD_JSON_NESTING_MAX) return malformed(w, *t, "JSON nested too deeply");
        rwd_raw *nested = place_for(w, wanted);
        nested->kind = RWD_RAW_NESTED;
        nested->at = text + *t;
        spread(w, wanted);
        if (depth > 0) level_here = wanted != NONE ? plan->members[wanted].level : NONE;
        plan->stack[depth].object = c == '{';
        plan->stack[depth].level = (int16_t)level_here;
        depth++;
        t++;
        if (t < stop && text[*t] == (c == '{' ? '}' : ']')) goto close;
        if (c == '{') goto name;
        plan->stack[depth - 1].next = 0;
        plan->stack[depth - 1].index = 0;
        goto element;
    }
    if (!take_scalar(w, text, t, place_for(w, wanted))) return false;
    spread(w, wanted);
    t++;
behind:
    if (depth == 0) {
        *out_t = t;
        return true;
    }
    if (t >= stop) return unexpected(w, t);
    c = text[*t];
    if (c == ',') {
        t++;
        if (plan->stack[depth - 1].object) goto name;
        plan->stack[depth - 1].index++;
        goto element;
    }
    if (c != (plan->stack[depth - 1].object ? '}' : ']')) return unexpected(w, t);
close:
    t++;
    depth--;
    goto behind;
name:
    if (!take_name(w, text, t, stop, plan->stack[depth - 1].level, &wanted)) return false;
    t += 2;
    goto value;
element:
    wanted = find_element(plan, plan->stack[depth - 1].level, plan->stack[depth - 1].index, &plan->stack[depth - 1].next);
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
    const uint32_t *at, *behind = NULL;
    size_t count;
    rwd_json_verdict verdict = rwd_json_index_build(plan->index, record.data, record.size, &at, &count);
    if (verdict != RWD_JSON_OK) return refuse(record, verdict, out_fault);
    walk w = {.plan = plan, .text = record.data, .stop = at + count, .raw = raw, .fault = out_fault};
    w.plain = !memchr(record.data, '\\', record.size);
    plan->tokens = at;
    plan->stop = w.stop;
    plan->text = w.text;
    plan->plain = w.plain;
    if (!take_value(&w, at, &behind)) return false;
    if (behind < w.stop) return malformed(&w, *behind, "something behind the end of the JSON value");
    if (record.data[*at] != '{') return rwd_fault_set(out_fault, RWD_E_WRONG_TYPE, -1, *at, "the record is not a JSON object");
    return true;
}

// ---------------------------------------------------------------------------------------------- elements

// The token that begins at this byte.
static const uint32_t *token_at(const rwd_json_plan *plan, const uint8_t *byte) {
    const uint32_t *low = plan->tokens, *high = plan->stop;
    uint32_t at = (uint32_t)(byte - plan->text);
    while (low < high) {
        const uint32_t *middle = low + (high - low) / 2;
        if (*middle < at) low = middle + 1;
        else high = middle;
    }
    assert(low < plan->stop && *low == at);
    return low;
}

// How many values the array has whose bracket `t` is.
static size_t count_elements(const rwd_json_plan *plan, const uint32_t *t) {
    const uint8_t *text = plan->text;
    if (text[t[1]] == ']') return 0;
    size_t depth = 0, count = 1;
    for (;; t++) {
        uint8_t c = text[*t];
        if (c == '[' || c == '{') depth++;
        else if ((c == ']' || c == '}') && --depth == 0) return count;
        else if (c == ',' && depth == 1) count++;
    }
}

bool rwd_json_open_each(rwd_json_plan *plan, const rwd_raw *raw, size_t *out_count, rwd_fault *out_fault) {
    const rwd_raw *array = &raw[plan->each];
    *out_count = 0;
    if (array->kind == RWD_RAW_ABSENT) return true;
    if (array->kind != RWD_RAW_NESTED || *array->at != '[')
        return rwd_fault_set(out_fault, RWD_E_WRONG_TYPE, -1, (size_t)(array->at - plan->text), "what event.each names is not a JSON array");
    const uint32_t *bracket = token_at(plan, array->at);
    *out_count = count_elements(plan, bracket);
    plan->at = bracket + 1;
    return true;
}

void rwd_json_next_element(rwd_json_plan *plan, rwd_raw *raw) {
    rwd_fault unused;
    walk w = {.plan = plan->inside, .text = plan->text, .stop = plan->stop, .raw = raw, .fault = &unused, .plain = plan->plain};
    bool walked = take_value(&w, plan->at, &plan->at);
    assert(walked && "the walk through the record judged every token");
    (void)walked;
    plan->at++;  // the comma, or the bracket that closes
}
