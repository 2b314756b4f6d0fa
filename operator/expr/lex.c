// Text to tokens. Columns count code points from 1.
#include <assert.h>

#include "operator/expr/expr_private.h"

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }
static bool is_letter(uint8_t c) { return (uint8_t)((c | 0x20) - 'a') < 26 || c == '_'; }
static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static uint8_t byte_at(const rwd_lexer *l, const uint8_t *p) { return p < l->end ? *p : 0; }

// The column of a place at or behind the last one asked for.
static uint32_t column_of(rwd_lexer *l, const uint8_t *p) {
    assert(p >= l->counted);
    for (; l->counted < p; l->counted++) l->column += (*l->counted & 0xC0) != 0x80;
    return l->column + 1;
}

// ---- strings

static bool hex4(const rwd_lexer *l, const uint8_t *p, uint32_t *out) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = byte_at(l, p + i);
        if (!is_digit(c) && (uint8_t)((c | 0x20) - 'a') >= 6) return false;
        value = value * 16 + (is_digit(c) ? (uint32_t)c - '0' : (uint32_t)(c | 0x20) - 'a' + 10);
    }
    *out = value;
    return true;
}

static size_t put_code_point(uint32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    if (c < 0x800) return out[0] = (uint8_t)(0xC0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 0x3F)), 2;
    if (c < 0x10000)
        return out[0] = (uint8_t)(0xE0 | c >> 12), out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F)), out[2] = (uint8_t)(0x80 | (c & 0x3F)), 3;
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

// What stands behind a backslash at `p`; `*size` is how long it is without it, 0 if it is no escape. Never writes more than it reads.
static size_t unescape(const rwd_lexer *l, const uint8_t *p, uint8_t *out, size_t *size) {
    static const char plain[] = "\"'\\/bfnrt", meant[] = "\"'\\/\b\f\n\r\t";
    uint8_t c = byte_at(l, p);
    *size = 1;
    const char *found = c ? memchr(plain, c, sizeof(plain) - 1) : NULL;
    if (found) return out[0] = (uint8_t)meant[found - plain], 1;
    uint32_t code, low;
    *size = 0;
    if (c != 'u' || !hex4(l, p + 1, &code) || (code >= 0xDC00 && code < 0xE000)) return 0;
    *size = 5;
    if (code >= 0xD800 && code < 0xDC00) {
        if (byte_at(l, p + 5) != '\\' || byte_at(l, p + 6) != 'u' || !hex4(l, p + 7, &low) || low < 0xDC00 || low >= 0xE000) return *size = 0;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *size = 11;
    }
    return put_code_point(code, out);
}

static bool lex_string(rwd_compile *c, rwd_token *t) {
    rwd_lexer *l = &c->lexer;
    uint8_t quote = *l->at;
    const uint8_t *p = l->at + 1;
    uint8_t *text = rwd_arena_alloc(l->arena, (size_t)(l->end - p) + 1);
    size_t size = 0;
    while (p < l->end && *p != quote) {
        if (*p != '\\') {
            text[size++] = *p++;
            continue;
        }
        size_t escape;
        size_t made = unescape(l, p + 1, text + size, &escape);
        if (escape == 0)
            return RWD_EXPR_FAIL(c, column_of(l, p), "this escape is not known; \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX are");
        size += made;
        p += 1 + escape;
    }
    if (p >= l->end) return RWD_EXPR_FAIL(c, t->column, "this string has no closing %c", quote);
    l->at = p + 1;
    t->kind = RWD_TOKEN_STRING;
    t->text = rwd_slice_of(text, size);
    return true;
}

// ---- numbers, names, signs

static bool lex_number(rwd_compile *c, rwd_token *t) {
    rwd_lexer *l = &c->lexer;
    const uint8_t *p = l->at;
    while (is_digit(byte_at(l, p))) p++;
    bool fraction = byte_at(l, p) == '.';
    if (fraction) {
        p++;
        if (!is_digit(byte_at(l, p))) return RWD_EXPR_FAIL(c, column_of(l, p), "a digit has to follow the point of a number: write 1.0, not 1.");
        while (is_digit(byte_at(l, p))) p++;
    }
    uint8_t sign = (uint8_t)(byte_at(l, p + 1) == '+' || byte_at(l, p + 1) == '-');
    t->kind = RWD_TOKEN_NUMBER;
    if ((byte_at(l, p) | 0x20) == 'e' && is_digit(byte_at(l, p + 1 + sign))) {
        p += 1 + sign;
        while (is_digit(byte_at(l, p))) p++;
    } else if (!fraction && is_letter(byte_at(l, p))) {
        t->kind = RWD_TOKEN_DURATION;
        while (is_letter(byte_at(l, p)) || is_digit(byte_at(l, p))) p++;
    }
    if (is_letter(byte_at(l, p)) || byte_at(l, p) == '.')
        return RWD_EXPR_FAIL(c, t->column, "this is not a number; numbers are written 12, 12.50 or 1.5e3, and durations 1h30m or 250ms");
    t->text = rwd_slice_of(l->at, (size_t)(p - l->at));
    l->at = p;
    return true;
}

static bool lex_quoted_name(rwd_compile *c, rwd_token *t) {
    rwd_lexer *l = &c->lexer;
    const uint8_t *from = l->at + 1, *p = from;
    while (p < l->end && *p != '`') p++;
    if (p == l->end) return RWD_EXPR_FAIL(c, t->column, "this name has no closing backtick");
    if (p == from) return RWD_EXPR_FAIL(c, t->column, "there is no name between the backticks");
    t->kind = RWD_TOKEN_QUOTED_NAME;
    t->text = rwd_slice_of(from, (size_t)(p - from));
    l->at = p + 1;
    return true;
}

// What people write from habit, and what it is called here.
static const struct {
    const char *theirs, *ours;
} habits[] = {
    {"&&", "and"}, {"||", "or"}, {"<>", "!="}, {"===", "=="}, {"!==", "!="}, {"=", "=="}, {"!", "not"}, {"&", "and"}, {"|", "or"}, {"[", "("}, {"]", ")"},
};

static bool begins(const rwd_lexer *l, const char *sign) {
    size_t size = strlen(sign);
    return (size_t)(l->end - l->at) >= size && memcmp(l->at, sign, size) == 0;
}

static bool lex_sign(rwd_compile *c, rwd_token *t) {
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", ",", "."};
    rwd_lexer *l = &c->lexer;
    bool habit_first = begins(l, "===") || begins(l, "!==") || begins(l, "<>");
    for (size_t i = 0; !habit_first && i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (!begins(l, signs[i])) continue;
        t->kind = RWD_TOKEN_SIGN;
        t->text = rwd_slice_of(l->at, strlen(signs[i]));
        l->at += t->text.size;
        return true;
    }
    for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
        if (begins(l, habits[i].theirs)) return RWD_EXPR_FAIL(c, t->column, "write '%s' instead of '%s'", habits[i].ours, habits[i].theirs);
    int size = 1;
    while (l->at + size < l->end && (l->at[size] & 0xC0) == 0x80) size++;
    if (*l->at < 0x20 || *l->at == 0x7F) return RWD_EXPR_FAIL(c, t->column, "the character 0x%02x means nothing here", *l->at);
    return RWD_EXPR_FAIL(c, t->column, "'%.*s' means nothing here", size, (const char *)l->at);
}

bool rwd_lex(rwd_compile *c) {
    rwd_lexer *l = &c->lexer;
    rwd_token *t = &c->token;
    while (l->at < l->end && is_space(*l->at)) l->at++;
    *t = (rwd_token){.kind = RWD_TOKEN_END, .text = rwd_slice_of(l->at, 0), .column = column_of(l, l->at)};
    if (l->at == l->end) return true;
    if (is_digit(*l->at)) return lex_number(c, t);
    if (*l->at == '.' && is_digit(byte_at(l, l->at + 1))) return RWD_EXPR_FAIL(c, t->column, "a digit has to stand before the point of a number: write 0.5, not .5");
    if (*l->at == '"' || *l->at == '\'') return lex_string(c, t);
    if (*l->at == '`') return lex_quoted_name(c, t);
    if (!is_letter(*l->at)) return lex_sign(c, t);
    const uint8_t *p = l->at;
    while (is_letter(byte_at(l, p)) || is_digit(byte_at(l, p))) p++;
    t->kind = RWD_TOKEN_WORD;
    t->text = rwd_slice_of(l->at, (size_t)(p - l->at));
    l->at = p;
    return true;
}
