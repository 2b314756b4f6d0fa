// The only door to simdjson.h. No exception and no type of the library leaves this file.
#include "operator/logic/json_index_private.h"

#include <cstdlib>
#include <new>

#include <simdjson.h>

struct rwd_json_index {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

// Nesting is bounded by the walk; the library's own bound only sizes buffers of a stage that never runs.
static constexpr size_t kDepth = 1;
static constexpr size_t kLeastCapacity = 4096;

rwd_json_index *rwd_json_index_new(void) {
    auto *index = new (std::nothrow) rwd_json_index;
    if (index == nullptr || simdjson::get_active_implementation()->create_dom_parser_implementation(kLeastCapacity, kDepth, index->parser))
        std::abort();  // out of memory, as everywhere
    return index;
}

void rwd_json_index_free(rwd_json_index *index) { delete index; }

static rwd_json_verdict verdict_of(simdjson::error_code code) {
    switch (code) {
    case simdjson::SUCCESS: return RWD_JSON_OK;
    case simdjson::EMPTY: return RWD_JSON_EMPTY;
    case simdjson::UTF8_ERROR: return RWD_JSON_UTF8;
    case simdjson::UNCLOSED_STRING: return RWD_JSON_UNCLOSED;
    case simdjson::UNESCAPED_CHARS: return RWD_JSON_CONTROL;
    default: return RWD_JSON_OTHER;
    }
}

rwd_json_verdict rwd_json_index_build(rwd_json_index *index, const uint8_t *text, size_t size, const uint32_t **out_at, size_t *out_count) {
    if (size == 0) return RWD_JSON_EMPTY;
    auto &parser = *index->parser;
    if (size > parser.capacity()) {
        size_t capacity = parser.capacity() * 2 > size ? parser.capacity() * 2 : size;
        if (parser.allocate(capacity, kDepth)) std::abort();
    }
    simdjson::error_code code = parser.stage1(text, size, simdjson::stage1_mode::regular);
    if (code) return verdict_of(code);
    *out_at = parser.structural_indexes.get();
    *out_count = parser.n_structural_indexes;
    return RWD_JSON_OK;
}
