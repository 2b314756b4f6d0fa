// JSON records: any bytes give an event of valid values or a fault, and the same one whatever stands behind the record.
#include "tests/fuzz/decode_fuzz.h"

const char *const fuzz_seeds[] = {
    "{\"s\":\"a\",\"d\":1.25,\"i\":3,\"b\":true,\"t\":1000,\"o\":{\"p\":{\"longer_name\":\"x\"}}}",
    "{\"t\":\"1000\",\"o\":{\"x\":[1,{\"p\":2}],\"p\":{\"q\":null,\"longer_name\":\"\\u00e4\\ud83d\\ude00\\n\"}},\"b\":false,\"i\":-3e2,\"d\":\"12.50\",\"\\u0073\":\"\\\"\"}",
    "{\"s\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"d\":-0.01,\"i\":0,\"b\":true,\"t\":0,\"o\":{\"p\":{\"longer_name\":\"\"}}}",
    "[[[[[[[[{\"a\":[true,false,null,-1.5E+10,\"\"]}]]]]]]]]", "{\"s\":\"\xC3\xA4\",\"s\":null}", " {} ", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_one("json", data, size);
    return 0;
}
