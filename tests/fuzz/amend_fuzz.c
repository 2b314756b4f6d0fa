// Any bytes as a file of amendments: refused with a line and a cause, or amendments that are written and read back as themselves.
#include "operator/config/amend_file.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "{\"skip\": 7}\n{\"skip\": 8, \"reason\": \"broken\"}\n",
    "{\"replace\": 3, \"value\": \"a\\u00e9\\ud83d\\ude00\\n\", \"key\": \"k\", \"time\": \"2026-03-01T12:00:00.5Z\"}\n",
    "{\"insert\": 3, \"value\": {\"a\": [1, -2.5e3, null, true, {}], \"b\": \"x\"}}\r\n\n{\"insert\":3,\"value\":null,\"key\":null}\n",
    "{\"insert\":0,\"value_base64\":\"AAEC/w==\",\"key_base64\":\"\"}",
    "{\"insert\":9223372036854775807,\"value\":[[[[[[]]]]]]}",
    "{\"skip\":1}\n{\"replace\":1,\"value\":\"\"}",
    "{\"skip\":01}", "{\"insert\":1}", "[]", "{\"skp\":1}", NULL,
};

static bool buf_equal(const rwd_buf *a, const rwd_buf *b) { return rwd_slice_equal(rwd_buf_slice(a), rwd_buf_slice(b)); }

static void check_again(const rwd_amendments *list) {
    rwd_buf text = {0};
    rwd_amendments again;
    rwd_error err;
    for (size_t i = 0; i < list->count; i++) rwd_amendment_write(&list->items[i], &text);
    FUZZ_CHECK(rwd_amend_text_parse("written", rwd_buf_slice(&text), &again, &err));
    FUZZ_CHECK(again.count == list->count);
    for (size_t i = 0; i < list->count; i++) {
        const rwd_amendment *a = &list->items[i], *b = &again.items[i];
        FUZZ_CHECK(a->kind == b->kind && a->at == b->at && a->has_key == b->has_key && a->has_value == b->has_value && a->time_us == b->time_us);
        FUZZ_CHECK(buf_equal(&a->key, &b->key) && buf_equal(&a->value, &b->value) && buf_equal(&a->reason, &b->reason));
    }
    rwd_amendments_deinit(&again);
    rwd_buf_deinit(&text);
}

static void check_lineage(const rwd_amendments *list) {
    rwd_lineage lineage;
    rwd_error err;
    rwd_lineage_init(&lineage, (rwd_hash128){0}, 0);
    FUZZ_CHECK(rwd_amendments_add_to(list, &lineage, &err) && lineage.amendment_count == list->count);
    for (size_t i = 1; i < lineage.amendment_count; i++) FUZZ_CHECK(lineage.amendments[i - 1].at <= lineage.amendments[i].at);
    rwd_lineage_deinit(&lineage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_amendments list;
    rwd_error err;
    if (rwd_amend_text_parse("amend.jsonl", rwd_slice_of(data, size), &list, &err)) {
        FUZZ_CHECK(list.count > 0);
        check_again(&list);
        check_lineage(&list);
        rwd_amendments_deinit(&list);
    } else {
        FUZZ_CHECK(err.code == RWD_E_USAGE && err.cause[0] && strncmp(err.place, "amend.jsonl", 11) == 0);
        FUZZ_CHECK(rwd_utf8_valid(rwd_slice_str(err.cause)));
    }
    return 0;
}
