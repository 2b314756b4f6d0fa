// Keys as text, and back (key_text.h).
//
// What must stay true: the same key has the same text, and the text of a key reads back as that key.
#include "state/key_text.h"

#include <assert.h>

// The first `count` parts.
static bool write_parts(const rwd_schema *schema, size_t count, rwd_slice key, rwd_buf *scratch, rwd_buf *out) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    rwd_buf_clear(scratch);
    if (!rwd_key_decode(schema, key, parts, scratch)) return false;
    if (count == 1) {
        rwd_value_text(&parts[0], schema->parts[0].type, schema->parts[0].scale, out);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        rwd_buf_append_char(out, i ? ',' : '[');
        rwd_value_json(&parts[i], schema->parts[i].type, schema->parts[i].scale, out);
    }
    rwd_buf_append_char(out, ']');
    return true;
}

bool rwd_key_write_text(const rwd_schema *schema, rwd_slice key, rwd_buf *scratch, rwd_buf *out) {
    return write_parts(schema, schema->part_count, key, scratch, out);
}

bool rwd_key_write_partition_text(const rwd_schema *schema, rwd_slice key, rwd_buf *scratch, rwd_buf *out) {
    return write_parts(schema, schema->part_count - (schema->window.kind != RWD_WINDOW_NONE), key, scratch, out);
}

// ---- back

typedef struct cursor {
    const uint8_t *at, *end;
    rwd_buf *scratch;  // has room for all that is put there: it does not move
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n')) c->at++;
}

static bool take(cursor *c, uint8_t byte) {
    skip_space(c);
    if (c->at == c->end || *c->at != byte) return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) return false;
    c->at += size;
    return true;
}

static bool take_hex(cursor *c, uint32_t *out) {
    uint8_t bytes[2];
    if (c->end - c->at < 4 || !rwd_unhex((const char *)c->at, 4, bytes)) return false;
    *out = (uint32_t)bytes[0] << 8 | bytes[1];
    c->at += 4;
    return true;
}

static void put_code_point(rwd_buf *out, uint32_t code) {
    if (code < 0x80) {
        rwd_buf_append_char(out, (char)code);
    } else if (code < 0x800) {
        rwd_buf_append_char(out, (char)(0xC0 | code >> 6));
        rwd_buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        rwd_buf_append_char(out, (char)(0xE0 | code >> 12));
        rwd_buf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        rwd_buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else {
        rwd_buf_append_char(out, (char)(0xF0 | code >> 18));
        rwd_buf_append_char(out, (char)(0x80 | (code >> 12 & 0x3F)));
        rwd_buf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        rwd_buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    }
}

// Behind "\u". Half of a surrogate pair is no text.
static bool take_code_point(cursor *c) {
    uint32_t code, low;
    if (!take_hex(c, &code) || (code >= 0xDC00 && code < 0xE000)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (!take_word(c, "\\u") || !take_hex(c, &low) || low < 0xDC00 || low >= 0xE000) return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    put_code_point(c->scratch, code);
    return true;
}

static bool take_escape(cursor *c) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end) return false;
    uint8_t name = *c->at++;
    if (name == 'u') return take_code_point(c);
    const char *found = name ? strchr(names, name) : NULL;
    if (!found) return false;
    rwd_buf_append_char(c->scratch, meant[found - names]);
    return true;
}

static bool take_string(cursor *c, rwd_slice *out) {
    size_t begin = c->scratch->size;
    if (!take(c, '"')) return false;
    while (c->at < c->end && *c->at != '"') {
        uint8_t byte = *c->at++;
        if (byte < 0x20 || (byte == '\\' && !take_escape(c))) return false;
        if (byte != '\\') rwd_buf_append_char(c->scratch, (char)byte);
    }
    *out = rwd_slice_of(c->scratch->data + begin, c->scratch->size - begin);
    return c->at++ < c->end;
}

static bool take_bare(cursor *c, rwd_slice *out) {
    const uint8_t *begin = c->at;
    while (c->at < c->end && *c->at != ',' && *c->at != ']' && *c->at > ' ') c->at++;
    *out = rwd_slice_of(begin, (size_t)(c->at - begin));
    return out->size > 0 && begin[0] != '+' && begin[0] != '.';
}

static bool is_bare(rwd_type type) { return type == RWD_TYPE_INT || type == RWD_TYPE_DECIMAL || type == RWD_TYPE_FLOAT || type == RWD_TYPE_BOOL; }

static bool take_part(cursor *c, const rwd_key_part *part, rwd_value *out) {
    rwd_slice text;
    *out = (rwd_value){.present = false};
    skip_space(c);
    if (take_word(c, "null")) return true;
    if (!(is_bare(part->type) ? take_bare(c, &text) : take_string(c, &text))) return false;
    return rwd_value_from_text(text, part->type, part->scale, c->scratch, out, NULL);
}

static bool take_array(cursor *c, const rwd_schema *schema, rwd_value parts[]) {
    if (!take(c, '[')) return false;
    for (size_t i = 0; i < schema->part_count; i++)
        if ((i > 0 && !take(c, ',')) || !take_part(c, &schema->parts[i], &parts[i])) return false;
    if (!take(c, ']')) return false;
    skip_space(c);
    return c->at == c->end;
}

bool rwd_key_read_text(const rwd_schema *schema, rwd_slice text, rwd_buf *scratch, rwd_value parts[RWD_KEY_PARTS_MAX]) {
    rwd_buf_clear(scratch);
    if (!rwd_utf8_valid(text)) return false;
    rwd_buf_reserve(scratch, 2 * text.size + 1);  // unescaped, and once more as bytes: neither is longer than the text
    cursor c = {.at = text.data, .end = text.data + text.size, .scratch = scratch};
    if (schema->part_count > 1) return take_array(&c, schema, parts);
    return rwd_value_from_text(text, schema->parts[0].type, schema->parts[0].scale, scratch, &parts[0], NULL);
}
