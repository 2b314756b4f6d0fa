// Patching JSON (json_patch.h).
//
// What must stay true: all that stands outside the value that is replaced, or the place where a member is added, is copied as it is.
#include "operator/config/json_patch.h"

#include "operator/base/json_in.h"
#include "operator/base/json_out.h"

typedef struct range {
    const uint8_t *begin, *end;
} range;

static rwd_json_in reader_of(range in, rwd_error *err) { return (rwd_json_in){.name = "record", .line = 1, .begin = in.begin, .at = in.begin, .end = in.end, .err = err}; }

static bool take_value(rwd_json_in *in, range *out) {
    rwd_json_pass_space(in);
    out->begin = in->at;
    if (!rwd_json_pass_value(in)) return false;
    out->end = in->at;
    return true;
}

// The value of the last member of that name; without one `out` is empty, at the closing bracket, and `out_first` says whether the object has no member at all.
static bool find_member(range object, const char *name, range *out, bool *out_found, bool *out_first, rwd_error *err) {
    rwd_json_in in = reader_of(object, err);
    rwd_buf text = {0};
    *out_found = false;
    bool ok = rwd_json_next_is(&in, '{');
    *out_first = ok && rwd_json_next_is(&in, '}');
    if (ok && !*out_first) {
        do {
            range value;
            rwd_buf_clear(&text);
            ok = rwd_json_take_quoted(&in, &text, "a member wants a name") && rwd_json_next_is(&in, ':') && take_value(&in, &value);
            if (!ok || !rwd_slice_equal(rwd_buf_slice(&text), rwd_slice_str(name))) continue;
            *out_found = true;
            *out = value;
        } while (ok && rwd_json_next_is(&in, ','));
        ok = ok && rwd_json_next_is(&in, '}');
    }
    if (ok && !*out_found) *out = (range){in.at - 1, in.at - 1};
    rwd_buf_deinit(&text);
    return ok;
}

static bool find_element(range array, uint32_t index, range *out, rwd_error *err) {
    rwd_json_in in = reader_of(array, err);
    if (!rwd_json_next_is(&in, '[')) return false;
    for (uint32_t i = 0; take_value(&in, out); i++) {
        if (i == index) return true;
        if (!rwd_json_next_is(&in, ',')) return false;
    }
    return false;
}

static bool no_way(const rwd_json_step *step, rwd_error *err) {
    if (step->name) return rwd_fail(err, RWD_E_MALFORMED, "there is no object that could have the member '%s'", step->name);
    return rwd_fail(err, RWD_E_MALFORMED, "there is no element %u", step->index);
}

// The missing member, with all that leads to it: from step `i` on.
static bool append_missing(const rwd_json_path *path, size_t i, bool first, rwd_slice value, rwd_buf *out, rwd_error *err) {
    size_t begin = i;
    if (!first) rwd_buf_append_char(out, ',');
    for (; i < path->count; i++) {
        if (!path->steps[i].name) return no_way(&path->steps[i], err);
        if (i > begin) rwd_buf_append_char(out, '{');
        rwd_json_quote(out, rwd_slice_str(path->steps[i].name));
        rwd_buf_append_char(out, ':');
    }
    rwd_buf_append_slice(out, value);
    for (i = begin + 1; i < path->count; i++) rwd_buf_append_char(out, '}');
    return true;
}

static bool is_json(range all) {
    rwd_error ignored;
    range value;
    rwd_json_in in = reader_of(all, &ignored);
    bool ok = rwd_utf8_valid(rwd_slice_of(all.begin, (size_t)(all.end - all.begin))) && take_value(&in, &value);
    rwd_json_pass_space(&in);
    return ok && in.at == in.end;
}

static bool patch(rwd_slice json, const rwd_json_path *path, rwd_slice value, rwd_buf *out, rwd_error *err) {
    range at = {json.data, json.data + json.size};
    if (!is_json(at)) return rwd_fail(err, RWD_E_MALFORMED, "the record is not JSON, so no field of it can be set");
    for (size_t i = 0; i < path->count; i++) {
        const rwd_json_step *step = &path->steps[i];
        bool found = true, first;
        if (!(step->name ? find_member(at, step->name, &at, &found, &first, err) : find_element(at, step->index, &at, err))) return no_way(step, err);
        if (found) continue;
        rwd_buf_append(out, json.data, (size_t)(at.begin - json.data));
        if (!append_missing(path, i, first, value, out, err)) return false;
        rwd_buf_append(out, at.begin, (size_t)(json.data + json.size - at.begin));
        return true;
    }
    rwd_buf_append(out, json.data, (size_t)(at.begin - json.data));
    rwd_buf_append_slice(out, value);
    rwd_buf_append(out, at.end, (size_t)(json.data + json.size - at.end));
    return true;
}

bool rwd_json_patch(rwd_slice json, const rwd_json_path *path, rwd_slice value, rwd_buf *out, rwd_error *err) {
    size_t before = out->size;
    if (patch(json, path, value, out, err)) return true;
    out->size = before;
    return false;
}

void rwd_json_typed(rwd_slice text, bool plain, rwd_buf *out) {
    rwd_error ignored;
    range all = {text.data, text.data + text.size}, value;
    rwd_json_in in = reader_of(all, &ignored);
    bool scalar = text.size > 0 && !strchr("\"{[ ", text.data[0]) && take_value(&in, &value) && in.at == in.end;
    if (plain && scalar) rwd_buf_append_slice(out, text);
    else rwd_json_quote(out, text);
}
