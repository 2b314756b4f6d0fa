// The door to libyaml: the only file that includes <yaml.h>. Events are read one by one, so that positions, duplicates and bounds are
// ours.
//
// What must stay true: every event is deleted, and the parser too, whatever fails.
#include "operator/config/yaml.h"

#include <string.h>
#include <yaml.h>

typedef struct reader {
    yaml_parser_t parser;
    const char *file;
    rwd_slice text;
    rwd_arena *arena;
    rwd_error *err;
    rwd_node *root;
    rwd_node *open[RWD_YAML_DEPTH_MAX];  // maps and lists around the current event
    unsigned depth;
    const char *key;                     // a key whose value comes next
    rwd_place key_place;
    unsigned nodes;
    unsigned documents;
} reader;

static rwd_place place_of(yaml_mark_t mark) { return (rwd_place){.line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1}; }

static bool at(reader *r, rwd_place place) { return rwd_place_error(r->err, r->file, place); }

// ---- what libyaml says, in words for people

static const struct {
    const char *says, *means;
} yaml_words[] = {
    {"mapping values are not allowed in this context",
     "a second \": \" stands here; check the line above and the indentation, or put a value that holds \": \" in quotes"},
    {"could not find expected ':'", "a key without \":\" behind it"},
    {"did not find expected key", "this does not line up with the keys above; check the indentation"},
    {"did not find expected '-' indicator", "this does not line up with the list above; check the indentation"},
    {"did not find expected ',' or '}'", "\"{\" has no \"}\", or a \",\" is missing inside, or a value with quotes or braces in it does not stand in quotes"},
    {"did not find expected ',' or ']'", "\"[\" has no \"]\", or a \",\" is missing inside, or a value with quotes or brackets in it does not stand in quotes"},
    {"found unexpected end of stream", "a quote is never closed"},
    {"found unknown escape character", "unknown escape in double quotes; put the text in single quotes"},
    {"control characters are not allowed", "a control character"},
};

// The bytes of line `line` (from 0).
static rwd_slice line_at(rwd_slice text, size_t line) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    for (; line > 0 && p < end; line--) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    const uint8_t *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return rwd_slice_of(p, (size_t)((newline ? newline : end) - p));
}

static bool is_indented_by_tab(rwd_slice line) {
    for (size_t i = 0; i < line.size && (line.data[i] == ' ' || line.data[i] == '\t'); i++)
        if (line.data[i] == '\t') return true;
    return false;
}

// A reader error has a byte offset, not a mark.
static rwd_place place_of_byte(rwd_slice text, size_t offset) {
    rwd_place place = {1, 1, NULL};
    for (size_t i = 0; i < offset && i < text.size; i++) {
        if (text.data[i] == '\n') place = (rwd_place){place.line + 1, 1, NULL};
        else if ((text.data[i] & 0xC0) != 0x80) place.column++;
    }
    return place;
}

static bool scanner_failed(reader *r) {
    const char *says = r->parser.problem ? r->parser.problem : "it cannot be read";
    yaml_mark_t mark = r->parser.problem_mark;
    rwd_slice line = line_at(r->text, mark.line);
    if (is_indented_by_tab(line)) {
        rwd_fail(r->err, RWD_E_CONFIG, "the line begins with a tab; YAML wants spaces there");
    } else if (strcmp(says, "found character that cannot start any token") == 0 && mark.column < line.size) {
        rwd_fail(r->err, RWD_E_CONFIG, "a value cannot begin with %c; put it in quotes", line.data[mark.column]);
    } else {
        for (size_t i = 0; i < sizeof yaml_words / sizeof *yaml_words; i++)
            if (strcmp(says, yaml_words[i].says) == 0) says = yaml_words[i].means;
        rwd_fail(r->err, RWD_E_CONFIG, "not valid YAML: %s", says);
    }
    return at(r, place_of(mark));
}

static bool parser_failed(reader *r) {
    switch (r->parser.error) {
    case YAML_MEMORY_ERROR: return rwd_fail(r->err, RWD_E_RESOURCE, "no memory to read the job file");
    case YAML_READER_ERROR:
        rwd_fail(r->err, RWD_E_CONFIG, "%s", r->parser.problem && strstr(r->parser.problem, "control char")
                                                 ? "a control character stands here" : "the job file is not UTF-8 text");
        return at(r, place_of_byte(r->text, r->parser.problem_offset));
    default: return scanner_failed(r);
    }
}

// ---- events to nodes

static bool unsupported(reader *r, yaml_mark_t mark, const char *what) {
    rwd_fail(r->err, RWD_E_CONFIG, "%s; write the value itself", what);
    return at(r, place_of(mark));
}

static bool put_child(reader *r, rwd_node *node) {
    if (++r->nodes > RWD_YAML_NODES_MAX) {
        rwd_fail(r->err, RWD_E_CONFIG, "a job file has at most %d values", RWD_YAML_NODES_MAX);
        return at(r, node->place);
    }
    if (r->depth == 0) {
        r->root = node;
        return true;
    }
    rwd_node *parent = r->open[r->depth - 1];
    if (parent->kind == RWD_NODE_LIST) {
        rwd_node_append(parent, node);
        return true;
    }
    if (!r->key) {
        rwd_fail(r->err, RWD_E_CONFIG, "a key is a word, not a map or a list");
        return at(r, node->place);
    }
    rwd_node_put(r->arena, parent, r->key, r->key_place, node);
    r->key = NULL;
    return true;
}

static bool open_node(reader *r, rwd_node *node) {
    if (!put_child(r, node)) return false;
    if (r->depth == RWD_YAML_DEPTH_MAX) {
        rwd_fail(r->err, RWD_E_CONFIG, "maps and lists are nested deeper than %d", RWD_YAML_DEPTH_MAX);
        return at(r, node->place);
    }
    r->open[r->depth++] = node;
    return true;
}

static bool take_key(reader *r, const char *text, rwd_place place) {
    const rwd_node *first = rwd_node_member(r->open[r->depth - 1], text);
    if (first) {
        char word[RWD_EXCERPT_MAX];
        rwd_fail(r->err, RWD_E_CONFIG, "key \"%s\" stands twice; the first is on line %u", rwd_excerpt(text, word), first->key_place.line);
        return at(r, place);
    }
    r->key = text;
    r->key_place = place;
    return true;
}

static bool take_scalar(reader *r, const yaml_event_t *event) {
    rwd_slice text = rwd_slice_of(event->data.scalar.value, event->data.scalar.length);
    rwd_place place = place_of(event->start_mark);
    if (event->data.scalar.tag) return unsupported(r, event->start_mark, "tags (!word) are not supported");
    if (!rwd_text_is_clean(text)) {
        rwd_fail(r->err, RWD_E_CONFIG, "the text holds a line break or a control character");
        return at(r, place);
    }
    rwd_buf copy = {0};
    rwd_buf_append_slice(&copy, text);
    rwd_node *node = rwd_node_scalar(r->arena, rwd_buf_cstr(&copy), place);
    rwd_buf_deinit(&copy);
    node->bare = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->one_line = node->bare && event->start_mark.line == event->end_mark.line;
    bool is_key = r->depth > 0 && r->open[r->depth - 1]->kind == RWD_NODE_MAP && !r->key;
    return is_key ? take_key(r, node->text, place) : put_child(r, node);
}

static bool take_event(reader *r, const yaml_event_t *event) {
    rwd_place place = place_of(event->start_mark);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++r->documents == 1) return true;
        rwd_fail(r->err, RWD_E_CONFIG, "a second document begins here; a job file is one document");
        return at(r, place);
    case YAML_ALIAS_EVENT: return unsupported(r, event->start_mark, "aliases (*name) are not supported");
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor) return unsupported(r, event->start_mark, "anchors (&name) are not supported");
        return take_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor) return unsupported(r, event->start_mark, "anchors (&name) are not supported");
        if (event->data.sequence_start.tag) return unsupported(r, event->start_mark, "tags (!word) are not supported");
        return open_node(r, rwd_node_new(r->arena, RWD_NODE_LIST, place));
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor) return unsupported(r, event->start_mark, "anchors (&name) are not supported");
        if (event->data.mapping_start.tag) return unsupported(r, event->start_mark, "tags (!word) are not supported");
        return open_node(r, rwd_node_new(r->arena, RWD_NODE_MAP, place));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: r->depth--; return true;
    default: return true;
    }
}

static bool read_events(reader *r) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) return parser_failed(r);
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool worked = take_event(r, &event);
        yaml_event_delete(&event);
        if (!worked || end) return worked;
    }
}

bool rwd_yaml_parse(const char *file, rwd_slice text, rwd_arena *arena, rwd_node **out_root, rwd_error *err) {
    reader r = {.file = file, .text = text, .arena = arena, .err = err};
    if (text.size > RWD_YAML_BYTES_MAX) {
        rwd_fail(err, RWD_E_CONFIG, "the job file has %zu bytes; at most %zu are read", text.size, RWD_YAML_BYTES_MAX);
        return rwd_error_at(err, "%s", file);
    }
    if (!yaml_parser_initialize(&r.parser)) return rwd_fail(err, RWD_E_RESOURCE, "no memory to read the job file");
    static const uint8_t nothing[1] = {0};
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.size ? text.data : nothing, text.size);
    bool worked = read_events(&r);
    yaml_parser_delete(&r.parser);
    if (!worked) return false;
    if (!r.root || rwd_node_is_null(r.root)) {
        rwd_fail(err, RWD_E_CONFIG, "the job file is empty; it begins with a name, for example: job: orders");
        return rwd_place_error(err, file, (rwd_place){1, 1, NULL});
    }
    *out_root = r.root;
    return true;
}
