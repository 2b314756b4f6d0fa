// Takes rows apart, 16 bytes at a time where SSE2 is there; it may read up to RWD_CSV_PADDING bytes behind the row.
#include "operator/source/csv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// First byte of an unquoted field's end or mistake: delimiter, quote, CR, LF; or `end`.
static inline const uint8_t *find_special(const uint8_t *p, const uint8_t *end, uint8_t delimiter) {
#ifdef __SSE2__
    const __m128i separator = _mm_set1_epi8((char)delimiter), quote = _mm_set1_epi8('"'), cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    for (; p < end; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, separator), _mm_cmpeq_epi8(bytes, quote)),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf)));
        unsigned hits = (unsigned)_mm_movemask_epi8(found);
        if (!hits) continue;
        p += __builtin_ctz(hits);
        return p < end ? p : end;
    }
    return end;
#else
    while (p < end && *p != delimiter && *p != '"' && *p != '\r' && *p != '\n') p++;
    return p;
#endif
}

static bool mistake(const char **out, const char *words) {
    *out = words;
    return false;
}

// Behind the opening quote. At a mistake `row->at` stands on it.
static bool take_quoted(rwd_csv_row *row, rwd_csv_field *out, const char **out_mistake) {
    const uint8_t *from = row->at + 1, *p = from;
    out->quoted = true;
    for (;;) {
        const uint8_t *quote = memchr(p, '"', (size_t)(row->end - p));
        if (!quote) return mistake(out_mistake, "a quote that is never closed");
        p = quote + 1;
        if (p < row->end && *p == '"') {
            out->escaped = true;
            p++;
            continue;
        }
        out->text = rwd_slice_of(from, (size_t)(quote - from));
        row->at = p;
        if (p == row->end || *p == row->delimiter) return true;
        return mistake(out_mistake, "something between a closing quote and the delimiter");
    }
}

bool rwd_csv_next(rwd_csv_row *row, rwd_csv_field *out, const char **out_mistake) {
    *out_mistake = NULL;
    if (row->done) return false;
    out->quoted = out->escaped = false;
    if (row->at < row->end && *row->at == '"') {
        if (!take_quoted(row, out, out_mistake)) return false;
    } else {
        const uint8_t *from = row->at;
        row->at = find_special(from, row->end, row->delimiter);
        out->text = rwd_slice_of(from, (size_t)(row->at - from));
        if (row->at < row->end && *row->at != row->delimiter)
            return mistake(out_mistake, *row->at == '"' ? "a quote inside an unquoted field" : "a line break inside an unquoted field");
    }
    if (row->at == row->end) row->done = true;
    else row->at++;
    return true;
}

size_t rwd_csv_unescape(rwd_slice text, uint8_t *out) {
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        out[size++] = text.data[i];
        if (text.data[i] == '"') i++;
    }
    return size;
}
