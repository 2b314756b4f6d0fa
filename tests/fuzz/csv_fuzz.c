// CSV rows: any bytes give an event of valid values or a fault, and the same one whatever stands behind the row.
#include "tests/fuzz/decode_fuzz.h"

const char *const fuzz_seeds[] = {
    "a,1.25,3,true,1000,x", "\"a \"\"b\"\"\",\"1.25\",3,false,\"1000\",\"1\n2,\"", "0123456789abcdef,1,2,true,3,0123456789abcdef0123456789abcdef",
    "\"\",0,0,true,0,\"\"", ",,,,,", "\"\"\"\",1e2,-0,true,-1,\xC3\xA4", "a\"b,\"c\"d,\r", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_one("csv, csv: {header: false}", data, size);
    return 0;
}
