// JSON records: any bytes give events of valid values or faults, and the same one whatever stands behind the record.
#include "tests/fuzz/decode_fuzz.h"

const char *const fuzz_seeds[] = {
    "{\"s\":\"a\",\"d\":1.25,\"i\":3,\"b\":true,\"t\":1000,\"o\":{\"p\":{\"longer_name\":\"x\"}}}",
    "{\"t\":\"1000\",\"o\":{\"x\":[1,{\"p\":2}],\"p\":{\"q\":null,\"longer_name\":\"\\u00e4\\ud83d\\ude00\\n\"}},\"b\":false,\"i\":-3e2,\"d\":\"12.50\",\"\\u0073\":\"\\\"\"}",
    "{\"s\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"d\":-0.01,\"i\":0,\"b\":true,\"t\":0,\"o\":{\"p\":{\"longer_name\":\"\"}}}",
    "[[[[[[[[{\"a\":[true,false,null,-1.5E+10,\"\"]}]]]]]]]]", "{\"s\":\"\xC3\xA4\",\"s\":null}", " {} ",
    "{\"o\":{\"e\":[{\"s\":\"a\",\"x\":[1,{\"d\":2.5}]},{\"s\":\"\\n\"},5,[],null]},\"t\":1}", "{\"o\":{\"e\":[]},\"o\":{\"e\":[[7,8]]}}", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_subject each;
    fuzz_one("json", data, size);
    fuzz_subject_of(&each, "json", "each: o.e, fields: {s: {type: string, path: .s}, d: {type: decimal(2), path: '.x[1].d', optional: true}, t: {type: int, default: 1}, "
                                   "all: {type: int, path: ., optional: true}, in: {type: int, path: '.[1]', optional: true}, first: {type: string, path: 'o.e[0].s', optional: true}}");
    fuzz_twice(&each, data, size);
    return 0;
}
