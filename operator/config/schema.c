// JSON Schema of job files (draft 2020-12), one walk along the key table.
#include "operator/config/keys.h"

static void put_key(const rwd_key *key, rwd_json_out *json);

// A default as the JSON value that it is.
static void put_default(const rwd_key *key, rwd_json_out *json) {
    rwd_json_key(json, "default");
    if (rwd_key_is_bare(key)) rwd_json_raw(json, rwd_slice_str(key->fallback));
    else rwd_json_string(json, key->fallback);
}

static void put_members(const rwd_key *group, rwd_json_out *json) {
    const rwd_key *key;
    rwd_json_key(json, "type");
    rwd_json_string(json, "object");
    rwd_json_key(json, "properties");
    rwd_json_object(json);
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (!rwd_key_is_inside(key, group)) continue;
        rwd_json_key(json, rwd_key_name(key));
        rwd_json_object(json);
        put_key(key, json);
        rwd_json_object_end(json);
    }
    rwd_json_object_end(json);
    rwd_json_key(json, "additionalProperties");
    rwd_json_bool(json, false);
}

// Not for what the environment can bring.
static void put_required(const rwd_key *group, rwd_json_out *json) {
    const rwd_key *key;
    rwd_json_key(json, "required");
    rwd_json_array(json);
    for (size_t i = 0; (key = rwd_key_at(i)); i++)
        if (key->required && !key->environment && !key->unless && rwd_key_is_inside(key, group)) rwd_json_string(json, rwd_key_name(key));
    rwd_json_array_end(json);
}

// {"required": [names]}
static void put_names(rwd_json_out *json, const char *one, const char *other) {
    rwd_json_object(json);
    rwd_json_key(json, "required");
    rwd_json_array(json);
    rwd_json_string(json, one);
    if (other) rwd_json_string(json, other);
    rwd_json_array_end(json);
    rwd_json_object_end(json);
}

// Two keys that exclude each other are not required together; of those that can stand for each other, one is.
static void put_excluded(const rwd_key *group, rwd_json_out *json) {
    const rwd_key *key;
    bool any = false;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (!key->excludes || !rwd_key_is_inside(key, group)) continue;
        if (!any) {
            rwd_json_key(json, "allOf");
            rwd_json_array(json);
            any = true;
        }
        rwd_json_object(json);
        rwd_json_key(json, "not");
        put_names(json, rwd_key_name(key), key->excludes);
        rwd_json_object_end(json);
        if (!key->unless) continue;
        rwd_json_object(json);
        rwd_json_key(json, "anyOf");
        rwd_json_array(json);
        put_names(json, rwd_key_name(key), NULL);
        put_names(json, key->unless, NULL);
        if (key->or_unless) put_names(json, key->or_unless, NULL);
        rwd_json_array_end(json);
        rwd_json_object_end(json);
    }
    if (any) rwd_json_array_end(json);
}

static void put_group(const rwd_key *group, rwd_json_out *json) {
    put_members(group, json);
    put_required(group, json);
    put_excluded(group, json);
}

static void put_map(const rwd_key *map, rwd_json_out *json) {
    rwd_json_key(json, "type");
    rwd_json_string(json, "object");
    rwd_json_key(json, "minProperties");
    rwd_json_int(json, map->min);
    rwd_json_key(json, "maxProperties");
    rwd_json_int(json, map->max);
    rwd_json_key(json, "propertyNames");
    rwd_json_object(json);
    rwd_json_key(json, "pattern");
    rwd_json_string(json, map->dotted ? "^[A-Za-z][A-Za-z0-9_.]{0,99}$" : "^[A-Za-z][A-Za-z0-9_]{0,99}$");
    rwd_json_object_end(json);
    rwd_json_key(json, "additionalProperties");
    rwd_json_object(json);
    put_key(rwd_key_item(map), json);
    rwd_json_object_end(json);
}

static void put_list(const rwd_key *list, rwd_json_out *json) {
    rwd_json_key(json, "type");
    rwd_json_string(json, "array");
    rwd_json_key(json, "minItems");
    rwd_json_int(json, list->min);
    rwd_json_key(json, "maxItems");
    rwd_json_int(json, list->max);
    rwd_json_key(json, "items");
    rwd_json_object(json);
    put_key(rwd_key_item(list), json);
    rwd_json_object_end(json);
}

static void put_shape(const rwd_key *key, rwd_json_out *json) {
    switch (key->kind) {
    case RWD_KEY_GROUP: put_group(key, json); return;
    case RWD_KEY_MAP: put_map(key, json); return;
    case RWD_KEY_LIST: put_list(key, json); return;
    default: rwd_key_schema(key, json);
    }
}

// Inside of the object that describes a key. The depth is that of job files.
static void put_key(const rwd_key *key, rwd_json_out *json) {
    const rwd_key *short_form = key->shorthand ? rwd_key_member(key, key->shorthand) : key->one ? rwd_key_item(key) : NULL;
    rwd_json_key(json, "description");
    rwd_json_string(json, key->doc);
    if (key->fallback) put_default(key, json);
    if (!short_form) {
        put_shape(key, json);
        return;
    }
    rwd_json_key(json, "anyOf");
    rwd_json_array(json);
    rwd_json_object(json);
    rwd_key_schema(short_form, json);
    rwd_json_object_end(json);
    if (key->named) {
        rwd_json_object(json);
        put_map(key, json);
        rwd_json_object_end(json);
    }
    rwd_json_object(json);
    put_shape(key, json);
    rwd_json_object_end(json);
    rwd_json_array_end(json);
}

void rwd_job_schema(rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "$schema");
    rwd_json_string(&json, "https://json-schema.org/draft/2020-12/schema");
    rwd_json_key(&json, "title");
    rwd_json_string(&json, "Rewind job file");
    put_key(rwd_key_at(0), &json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}
