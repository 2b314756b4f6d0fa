// One text of a job file: read into a job, written from it, described. One row of `kinds` for each kind of value.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/fs.h"
#include "operator/base/words.h"
#include "operator/config/keys.h"
#include "operator/config/node.h"
#include "state/aggregate.h"

#define JOB_NAME_MAX 100
#define TEXT_MAX 256
#define HOST_MAX 255
#define KIBIBYTE 1024

// What a text is read by: the key, its name for messages, where the value goes (NULL: nowhere).
typedef struct reading {
    const rwd_key *key;
    const char *name;
    const char *text;
    void *member;
    rwd_error *err;
} reading;

static bool unexpected(const reading *r) {
    rwd_buf wanted = {0};
    char word[RWD_EXCERPT_MAX];
    rwd_key_expectation(r->key, &wanted);
    rwd_fail(r->err, RWD_E_CONFIG, "%s: expected %s, found \"%s\"", r->name, rwd_buf_cstr(&wanted), rwd_excerpt(r->text, word));
    rwd_buf_deinit(&wanted);
    return false;
}

static void store(const reading *r, const void *value, size_t size) {
    assert(!r->member || r->key->size == size);
    if (r->member && size) memcpy(r->member, value, size);
}

// ---- text

static bool keep_text(const reading *r) {
    if (!r->member) return true;
    char *old, *copy = rwd_strdup(r->text);
    memcpy(&old, r->member, sizeof old);
    free(old);
    store(r, &copy, sizeof copy);
    return true;
}

static bool text_of_text(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    const char *text;
    memcpy(&text, member, sizeof text);
    if (!text) return false;
    rwd_buf_append_str(out, text);
    return true;
}

static bool is_longer(const reading *r, size_t most) {
    if (strlen(r->text) <= most) return false;
    rwd_fail(r->err, RWD_E_CONFIG, "%s: the text has %zu bytes; at most %zu are possible", r->name, strlen(r->text), most);
    return true;
}

static bool read_text(const reading *r) { return !is_longer(r, TEXT_MAX) && keep_text(r); }
static bool read_path(const reading *r) { return !is_longer(r, RWD_PATH_MAX - 1) && keep_text(r); }
static bool check_word(const reading *r) { return !is_longer(r, TEXT_MAX); }
static bool check_expression(const reading *r) { return !is_longer(r, RWD_EXPR_TEXT_MAX); }

// A name of dots would be a folder that exists.
static bool read_job_name(const reading *r) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(r->text);
    if (size > JOB_NAME_MAX || strspn(r->text, allowed) != size || strspn(r->text, ".") == size) return unexpected(r);
    return keep_text(r);
}

// ---- words

static bool read_bool(const reading *r) {
    bool value = strcmp(r->text, "true") == 0;
    if (!value && strcmp(r->text, "false") != 0) return unexpected(r);
    store(r, &value, sizeof value);
    return true;
}

static bool text_of_bool(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    bool value;
    memcpy(&value, member, sizeof value);
    rwd_buf_append_str(out, value ? "true" : "false");
    return true;
}

static void append_words(const char *const *words, size_t count, rwd_buf *out) {
    for (size_t i = 0; i < count; i++) rwd_buf_appendf(out, "%s%s", i ? ", " : "", words[i]);
}

static bool unknown_word(const reading *r, const char *what, const char *const *words, size_t count) {
    char word[RWD_EXCERPT_MAX];
    const char *nearest = rwd_nearest(r->text, words, count);
    rwd_excerpt(r->text, word);
    if (nearest) return rwd_fail(r->err, RWD_E_CONFIG, "%s: unknown %s \"%s\"; did you mean \"%s\"?", r->name, what, word, nearest);
    rwd_buf list = {0};
    append_words(words, count, &list);
    rwd_fail(r->err, RWD_E_CONFIG, "%s: unknown %s \"%s\"; known here: %s", r->name, what, word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

static bool read_choice(const reading *r) {
    for (size_t i = 0; i < r->key->word_count; i++) {
        if (strcmp(r->text, r->key->words[i]) != 0) continue;
        unsigned value = (unsigned)i;
        store(r, &value, sizeof value);
        return true;
    }
    return unknown_word(r, "word", r->key->words, r->key->word_count);
}

static bool text_of_choice(const rwd_key *key, const void *member, rwd_buf *out) {
    unsigned value;
    memcpy(&value, member, sizeof value);
    assert(value < key->word_count);
    rwd_buf_append_str(out, key->words[value]);
    return true;
}

// ---- numbers

// Bytes in the largest unit that divides them: exact, unlike what people are shown elsewhere.
static void exact_size_text(uint64_t bytes, char out[RWD_TIME_TEXT_MAX]) {
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes > 0 && bytes % KIBIBYTE == 0 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= KIBIBYTE;
        unit++;
    }
    (void)snprintf(out, RWD_TIME_TEXT_MAX, "%llu%s", (unsigned long long)bytes, units[unit]);
}

static void limit_text(const rwd_key *key, int64_t limit, char out[RWD_TIME_TEXT_MAX]) {
    if (key->kind == RWD_KEY_DURATION) rwd_duration_text(limit, out);
    else if (key->kind == RWD_KEY_SIZE) exact_size_text((uint64_t)limit, out);
    else (void)snprintf(out, RWD_TIME_TEXT_MAX, "%lld", (long long)limit);
}

static bool in_range(const reading *r, int64_t value) {
    if (value >= r->key->min && value <= r->key->max) return true;
    bool small = value < r->key->min;
    char limit[RWD_TIME_TEXT_MAX], word[RWD_EXCERPT_MAX];
    limit_text(r->key, small ? r->key->min : r->key->max, limit);
    return rwd_fail(r->err, RWD_E_CONFIG, "%s: %s is too %s; the %s is %s", r->name, rwd_excerpt(r->text, word),
                    small ? "small" : "large", small ? "least" : "most", limit);
}

static bool read_int(const reading *r) {
    int64_t value;
    rwd_parse parsed = rwd_int_parse(rwd_slice_str(r->text), &value);
    if (parsed == RWD_PARSE_MALFORMED) return unexpected(r);
    if (parsed == RWD_PARSE_RANGE) value = r->text[0] == '-' ? INT64_MIN : INT64_MAX;
    if (!in_range(r, value)) return false;
    unsigned narrow = (unsigned)value;
    if (r->key->size == sizeof narrow) store(r, &narrow, sizeof narrow);
    else store(r, &value, sizeof value);
    return true;
}

static bool text_of_int(const rwd_key *key, const void *member, rwd_buf *out) {
    int64_t value;
    unsigned narrow;
    if (key->size == sizeof narrow) {
        memcpy(&narrow, member, sizeof narrow);
        value = narrow;
    } else {
        memcpy(&value, member, sizeof value);
    }
    rwd_buf_append_int(out, value);
    return true;
}

static bool read_size(const reading *r) {
    uint64_t bytes;
    if (!rwd_size_parse(r->text, &bytes)) return unexpected(r);
    if (!in_range(r, bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes)) return false;
    store(r, &bytes, sizeof bytes);
    return true;
}

static bool text_of_size(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    uint64_t bytes;
    char text[RWD_TIME_TEXT_MAX];
    memcpy(&bytes, member, sizeof bytes);
    exact_size_text(bytes, text);
    rwd_buf_append_str(out, text);
    return true;
}

static int64_t unit_of(const rwd_key *key) { return key->unit ? key->unit : 1; }

static bool read_duration(const reading *r) {
    int64_t ns;
    if (!rwd_duration_parse(r->text, &ns)) return unexpected(r);
    if (!in_range(r, ns)) return false;
    if (ns % unit_of(r->key) != 0) {
        char unit[RWD_TIME_TEXT_MAX], word[RWD_EXCERPT_MAX];
        rwd_duration_text(unit_of(r->key), unit);
        return rwd_fail(r->err, RWD_E_CONFIG, "%s: %s is finer than it can be; it is counted in steps of %s", r->name,
                        rwd_excerpt(r->text, word), unit);
    }
    int64_t value = ns / unit_of(r->key);
    store(r, &value, sizeof value);
    return true;
}

static bool text_of_duration(const rwd_key *key, const void *member, rwd_buf *out) {
    int64_t value;
    char text[RWD_TIME_TEXT_MAX];
    memcpy(&value, member, sizeof value);
    rwd_duration_text(value * unit_of(key), text);
    rwd_buf_append_str(out, text);
    return true;
}

// ---- one character, an address

// Not what CSV itself is made of.
static bool read_character(const reading *r) {
    char value = r->text[0];
    bool printable = value == '\t' || (value >= ' ' && value <= '~');
    if (r->text[1] != '\0' || !printable || value == '"') return unexpected(r);
    store(r, &value, sizeof value);
    return true;
}

static bool text_of_character(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    rwd_buf_append(out, member, 1);
    return true;
}

// "host:port", "[::1]:port" or "off".
static bool read_address(const reading *r) {
    rwd_job *job = r->member;
    bool off = strcmp(r->text, "off") == 0;
    const char *colon = strrchr(r->text, ':');
    if (!off && !colon) return unexpected(r);
    const char *host = r->text;
    size_t size = off ? 0 : (size_t)(colon - host);
    bool bracketed = size >= 2 && host[0] == '[' && host[size - 1] == ']';
    if (bracketed) host++, size -= 2;
    int64_t port = 0;
    if (!off) {
        const char *digits = colon + 1;
        size_t digit_count = strlen(digits);
        if (digit_count == 0 || digit_count > 5 || strspn(digits, "0123456789") != digit_count) return unexpected(r);
        port = strtol(digits, NULL, 10);
        static const char allowed[] = ":%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
        const char *letters = bracketed ? allowed : allowed + strlen(":%");
        if (port > UINT16_MAX || size == 0 || size > HOST_MAX || strspn(host, letters) < size) return unexpected(r);
    }
    if (!job) return true;
    free(job->http.host);
    job->http.host = off ? NULL : rwd_strndup(host, size);
    job->http.port = (uint16_t)port;
    job->http.off = off;
    return true;
}

static bool text_of_address(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    const rwd_job *job = member;
    bool brackets = !job->http.off && strchr(job->http.host, ':');
    if (job->http.off) rwd_buf_append_str(out, "off");
    else rwd_buf_appendf(out, "%s%s%s:%u", brackets ? "[" : "", job->http.host, brackets ? "]" : "", job->http.port);
    return true;
}

// ---- types and time formats

// Words that other systems use for our types.
static const struct {
    const char *word, *type;
} type_synonyms[] = {
    {"text", "string"},      {"str", "string"},        {"varchar", "string"},    {"integer", "int"},     {"long", "int"},
    {"bigint", "int"},       {"int64", "int"},         {"boolean", "bool"},      {"timestamp", "time"},  {"datetime", "time"},
    {"date", "time"},        {"number", "decimal(2)"}, {"numeric", "decimal(2)"}, {"money", "decimal(2)"}, {"double", "float"},
    {"real", "float"},       {"blob", "bytes"},        {"binary", "bytes"},
};

static bool unknown_type(const reading *r) {
    for (size_t i = 0; i < sizeof type_synonyms / sizeof *type_synonyms; i++) {
        if (strcmp(r->text, type_synonyms[i].word) == 0)
            return rwd_fail(r->err, RWD_E_CONFIG, "%s: unknown type \"%s\"; did you mean \"%s\"?", r->name, r->text,
                            type_synonyms[i].type);
    }
    const char *names[RWD_TYPE_COUNT];
    for (unsigned i = 0; i < RWD_TYPE_COUNT; i++) names[i] = i == RWD_TYPE_DECIMAL ? "decimal(SCALE)" : rwd_type_name((rwd_type)i);
    return unknown_word(r, "type", names, RWD_TYPE_COUNT);
}

static bool read_decimal(const reading *r, uint8_t *out_scale) {
    const char *scale = r->text + strlen("decimal");
    if (*scale == '\0')
        return rwd_fail(r->err, RWD_E_CONFIG, "%s: decimal needs its scale, the number of digits behind the point: decimal(2)",
                        r->name);
    size_t digits = strspn(scale + 1, "0123456789");
    unsigned precision, behind;
    if (sscanf(scale, "(%u , %u)", &precision, &behind) == 2 && behind <= RWD_DECIMAL_SCALE_MAX)
        return rwd_fail(r->err, RWD_E_CONFIG, "%s: a decimal has one number, its scale, and always 38 digits: decimal(%u)", r->name, behind);
    if (*scale != '(' || digits == 0 || strcmp(scale + 1 + digits, ")") != 0) return unknown_type(r);
    unsigned long value = digits <= 4 ? strtoul(scale + 1, NULL, 10) : RWD_DECIMAL_SCALE_MAX + 1;
    if (value > RWD_DECIMAL_SCALE_MAX)
        return rwd_fail(r->err, RWD_E_CONFIG, "%s: the scale of a decimal is at most %d", r->name, RWD_DECIMAL_SCALE_MAX);
    *out_scale = (uint8_t)value;
    return true;
}

static bool read_type(const reading *r) {
    rwd_field *field = r->member;
    uint8_t scale = 0;
    unsigned type = 0;
    bool decimal = strncmp(r->text, "decimal", strlen("decimal")) == 0;
    if (decimal) {
        type = RWD_TYPE_DECIMAL;
        if (!read_decimal(r, &scale)) return false;
    } else {
        while (type < RWD_TYPE_COUNT && strcmp(r->text, rwd_type_name((rwd_type)type)) != 0) type++;
        if (type == RWD_TYPE_COUNT) return unknown_type(r);
    }
    if (!field) return true;
    field->type = (rwd_type)type;
    field->scale = scale;
    return true;
}

static bool text_of_type(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    const rwd_field *field = member;
    rwd_buf_append_str(out, rwd_type_name(field->type));
    if (field->type == RWD_TYPE_DECIMAL) rwd_buf_appendf(out, "(%u)", field->scale);
    return true;
}

static bool read_time(const reading *r) {
    static const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    int64_t us;
    if (rwd_time_parse(&rfc3339, rwd_slice_str(r->text), &us) != RWD_PARSE_OK) return unexpected(r);
    store(r, &us, sizeof us);
    return true;
}

static bool text_of_time(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    int64_t us;
    char text[RWD_TIME_TEXT_MAX];
    memcpy(&us, member, sizeof us);
    rwd_buf_append(out, text, rwd_time_text(us, text));
    return true;
}

static bool read_zone(const reading *r) {
    rwd_time_zone found = {0};
    rwd_error why;
    rwd_error_clear(&why);
    if (!rwd_zone_parse(r->text, &found.fixed_s) && !rwd_zone_open(r->text, &found.named, &why)) return rwd_fail(r->err, why.code, "%s: %s", r->name, why.cause);
    if (r->member) store(r, &found, sizeof found);
    else rwd_zone_free(found.named);
    return true;
}

static bool text_of_zone(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    rwd_time_zone zone;
    char text[RWD_TIME_TEXT_MAX];
    memcpy(&zone, member, sizeof zone);
    rwd_zone_text(zone.fixed_s, text);
    rwd_buf_append_str(out, zone.named ? rwd_zone_name(zone.named) : text);
    return true;
}

static bool read_time_format(const reading *r) {
    rwd_time_format format;
    rwd_error why;
    rwd_error_clear(&why);
    if (!rwd_time_format_parse(r->text, &format, &why)) return rwd_fail(r->err, RWD_E_CONFIG, "%s: %s", r->name, why.cause);
    store(r, &format, r->key->size);
    return true;
}

static bool text_of_time_format(const rwd_key *key, const void *member, rwd_buf *out) {
    (void)key;
    rwd_buf_append_str(out, rwd_time_format_text(member));
    return true;
}

// ---- JSON Schema

static void schema_pattern(rwd_json_out *json, const char *pattern) {
    rwd_json_key(json, "type");
    rwd_json_string(json, "string");
    rwd_json_key(json, "pattern");
    rwd_json_string(json, pattern);
}

static void schema_variable(rwd_json_out *json) {
    rwd_json_object(json);
    schema_pattern(json, "\\$\\{");
    rwd_json_object_end(json);
}

static void schema_text(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    rwd_json_key(json, "type");
    rwd_json_string(json, "string");
    rwd_json_key(json, "minLength");
    rwd_json_int(json, 1);
}

// Written without quotes, 100 and true are texts, too.
static void schema_scalar(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    rwd_json_key(json, "type");
    rwd_json_array(json);
    rwd_json_string(json, "string");
    rwd_json_string(json, "number");
    rwd_json_string(json, "boolean");
    rwd_json_array_end(json);
    rwd_json_key(json, "minLength");
    rwd_json_int(json, 1);
}

static void schema_name(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^[A-Za-z0-9._-]{1,100}$|\\$\\{");
}

static void schema_bool(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    rwd_json_key(json, "anyOf");
    rwd_json_array(json);
    rwd_json_object(json);
    rwd_json_key(json, "type");
    rwd_json_string(json, "boolean");
    rwd_json_object_end(json);
    schema_variable(json);
    rwd_json_array_end(json);
}

static void schema_int(const rwd_key *key, rwd_json_out *json) {
    rwd_json_key(json, "anyOf");
    rwd_json_array(json);
    rwd_json_object(json);
    rwd_json_key(json, "type");
    rwd_json_string(json, "integer");
    rwd_json_key(json, "minimum");
    rwd_json_int(json, key->min);
    rwd_json_key(json, "maximum");
    rwd_json_int(json, key->max);
    rwd_json_object_end(json);
    schema_variable(json);
    rwd_json_array_end(json);
}

// A number of bytes without a unit, or nothing of a duration, is a number to YAML.
static void schema_quantity(rwd_json_out *json, const char *pattern, int64_t most) {
    rwd_json_key(json, "anyOf");
    rwd_json_array(json);
    rwd_json_object(json);
    schema_pattern(json, pattern);
    rwd_json_object_end(json);
    rwd_json_object(json);
    rwd_json_key(json, "type");
    rwd_json_string(json, "integer");
    rwd_json_key(json, "minimum");
    rwd_json_int(json, 0);
    rwd_json_key(json, "maximum");
    rwd_json_int(json, most);
    rwd_json_object_end(json);
    rwd_json_array_end(json);
}

static void schema_size(const rwd_key *key, rwd_json_out *json) {
    schema_quantity(json, "^[0-9]+(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?$|\\$\\{", key->max);
}
static void schema_duration(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_quantity(json, "^0$|^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?([0-9]+ns)?$|\\$\\{", 0);
}

static void schema_choice(const rwd_key *key, rwd_json_out *json) {
    rwd_json_key(json, "anyOf");
    rwd_json_array(json);
    rwd_json_object(json);
    rwd_json_key(json, "enum");
    rwd_json_array(json);
    for (size_t i = 0; i < key->word_count; i++) rwd_json_string(json, key->words[i]);
    rwd_json_array_end(json);
    rwd_json_object_end(json);
    schema_variable(json);
    rwd_json_array_end(json);
}

static void schema_character(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^[\\t !#-~]$|\\$\\{");
}
static void schema_address(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^off$|^.+:[0-9]{1,5}$|\\$\\{");
}
static void schema_type(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    rwd_buf pattern = {0};
    for (unsigned i = 0; i < RWD_TYPE_COUNT; i++)
        rwd_buf_appendf(&pattern, "^%s%s$|", rwd_type_name((rwd_type)i), i == RWD_TYPE_DECIMAL ? "\\((0*[0-9]|0*1[0-8])\\)" : "");
    rwd_buf_append_str(&pattern, "\\$\\{");
    schema_pattern(json, rwd_buf_cstr(&pattern));
    rwd_buf_deinit(&pattern);
}
_Static_assert(RWD_DECIMAL_SCALE_MAX == 18, "the pattern above names the largest scale");

static void schema_time(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]|\\$\\{");
}

static void schema_zone(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$|^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$|\\$\\{");
}

static void schema_time_format(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    schema_pattern(json, "^(epoch-s|epoch-ms|epoch-us|epoch-ns|rfc3339|protobuf-timestamp)$|%|\\$\\{");
}

static void append_call_pattern(const rwd_aggregate *aggregate, rwd_buf *out) {
    rwd_buf_appendf(out, "^ *%s *\\(%s\\) *(where .+)?$|", aggregate->name, aggregate->takes_field ? ".+" : " *");
}

static void schema_aggregate(const rwd_key *key, rwd_json_out *json) {
    (void)key;
    rwd_buf pattern = {0};
    const rwd_aggregate *aggregate;
    for (size_t i = 0; (aggregate = rwd_aggregate_at(i)); i++)
        append_call_pattern(aggregate, &pattern);
    rwd_buf_append_str(&pattern, "^ *[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]* *\\(.*\\) *(where .+)?$|\\$\\{");  // a plugin's
    schema_pattern(json, rwd_buf_cstr(&pattern));
    rwd_buf_deinit(&pattern);
}

// ---- the table of kinds

typedef struct kind_row {
    const char *word;      // in the manual
    const char *expected;  // in messages
    bool (*read)(const reading *r);
    bool (*text)(const rwd_key *key, const void *member, rwd_buf *out);
    void (*schema)(const rwd_key *key, rwd_json_out *json);
} kind_row;

static const kind_row kinds[RWD_KEY_KIND_COUNT] = {
    [RWD_KEY_JOB_NAME] = {"name", "a name of at most 100 letters, digits, '.', '_' and '-'", read_job_name, text_of_text, schema_name},
    [RWD_KEY_PATH] = {"path", "a path", read_path, text_of_text, schema_text},
    [RWD_KEY_TEXT] = {"text", "a text", read_text, text_of_text, schema_scalar},
    [RWD_KEY_BOOL] = {"true or false", "true or false", read_bool, text_of_bool, schema_bool},
    [RWD_KEY_INT] = {"number", "a whole number", read_int, text_of_int, schema_int},
    [RWD_KEY_SIZE] = {"size", "a size in B, KiB, MiB, GiB or TiB", read_size, text_of_size, schema_size},
    [RWD_KEY_DURATION] = {"duration", "a duration in d, h, m, s or ms", read_duration, text_of_duration, schema_duration},
    [RWD_KEY_CHOICE] = {"word", "a word", read_choice, text_of_choice, schema_choice},
    [RWD_KEY_CHARACTER] = {"character", "one ASCII character but \"", read_character, text_of_character, schema_character},
    [RWD_KEY_ADDRESS] = {"address", "HOST:PORT or off", read_address, text_of_address, schema_address},
    [RWD_KEY_TYPE] = {"type", "a type", read_type, text_of_type, schema_type},
    [RWD_KEY_TIME] = {"time", "a time as in RFC 3339", read_time, text_of_time, schema_time},
    [RWD_KEY_ZONE] = {"zone", "a time zone's name, or a distance from UTC", read_zone, text_of_zone, schema_zone},
    [RWD_KEY_TIME_FORMAT] = {"time format", "a time format", read_time_format, text_of_time_format, schema_time_format},
    [RWD_KEY_FIELD] = {"field", "a field", check_word, NULL, schema_text},
    [RWD_KEY_TABLE] = {"table", "a table", check_word, NULL, schema_text},
    [RWD_KEY_COLUMN] = {"aggregate", "an aggregate", check_word, NULL, schema_text},
    [RWD_KEY_AGGREGATE] = {"function", "a function", check_expression, NULL, schema_aggregate},
    [RWD_KEY_EXPRESSION] = {"expression", "an expression", check_expression, NULL, schema_text},
    [RWD_KEY_GROUP] = {"map", "a map", NULL, NULL, NULL},
    [RWD_KEY_MAP] = {"map of names", "a map", NULL, NULL, NULL},
    [RWD_KEY_LIST] = {"list", "a list", NULL, NULL, NULL},
};

static const char *last_name(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

void rwd_key_expectation(const rwd_key *key, rwd_buf *out) {
    rwd_buf_append_str(out, kinds[key->kind].expected);
    if (!key->example) return;
    bool named = rwd_key_is_container(key) && !strpbrk(last_name(key->path), "*[");
    rwd_buf_appendf(out, ", for example %s%s%s", named ? last_name(key->path) : "", named ? ": " : "", key->example);
}

bool rwd_key_read(const rwd_key *key, const char *name, const char *text, void *base, rwd_error *err) {
    assert(!rwd_key_is_container(key));
    reading r = {key, name, text, base && key->size ? (char *)base + key->offset : NULL, err};
    return text[0] ? kinds[key->kind].read(&r) : unexpected(&r);
}

bool rwd_key_text(const rwd_key *key, const void *base, rwd_buf *out) {
    assert(kinds[key->kind].text && key->size);
    return kinds[key->kind].text(key, (const char *)base + key->offset, out);
}

bool rwd_key_is_bare(const rwd_key *key) { return key->kind == RWD_KEY_BOOL || key->kind == RWD_KEY_INT; }
const char *rwd_key_kind_word(const rwd_key *key) { return kinds[key->kind].word; }
void rwd_key_schema(const rwd_key *key, rwd_json_out *json) { kinds[key->kind].schema(key, json); }
