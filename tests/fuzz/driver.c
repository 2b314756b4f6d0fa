// Runs a fuzz target without libFuzzer: its seeds, the corpus files and folders given as arguments, then mutations of them.
//
// Deterministic: the generator's seed is fixed and so is the number of runs. REWIND_TEST_SEED and REWIND_FUZZ_RUNS change them.
// When the target dies, the input at fault is printed in hex.
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/random.h"

#define RUNS 30000
#define INPUT_MAX 4096
#define CORPUS_MAX 1000

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

static input corpus[CORPUS_MAX];
static size_t corpus_size;
static input current;  // what the target reads now, for the report

static void add_input(const void *data, size_t size) {
    if (corpus_size == CORPUS_MAX || size > INPUT_MAX) return;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    corpus[corpus_size++] = (input){copy, size};
}

static void add_path(const char *path) {
    DIR *dir = opendir(path);
    if (dir) {
        const struct dirent *entry;
        while ((entry = readdir(dir)) != NULL) {
            char file[4096];
            if (entry->d_name[0] == '.') continue;
            snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
            add_path(file);
        }
        closedir(dir);
        return;
    }
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(2);
    }
    uint8_t data[INPUT_MAX];
    add_input(data, fread(data, 1, sizeof(data), file));
    fclose(file);
}

static void report(int signal_number) {
    fprintf(stderr, "signal %d on this input of %zu bytes:\n", signal_number, current.size);
    for (size_t i = 0; i < current.size; i++) fprintf(stderr, "%02x", current.data[i]);
    fprintf(stderr, "\n");
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

// The target sees a block of exactly the input's size, so that a sanitizer sees every read beyond it.
static void run(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    current = (input){exact, size};
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static uint8_t random_byte(test_random *r) {
    static const char likely[] = "0123456789.-+eE:TZ %\"\\,;{}[]\n\r\tdhmsKMGiB";
    switch (test_random_below(r, 4)) {
    case 0: return (uint8_t)test_random_u64(r);
    case 1: return (uint8_t)(0x80 + test_random_below(r, 0x80));
    default: return (uint8_t)likely[test_random_below(r, sizeof(likely))];
    }
}

static size_t insert(uint8_t *data, size_t size, size_t at, const uint8_t *piece, size_t piece_size) {
    if (piece_size > INPUT_MAX - size) piece_size = INPUT_MAX - size;
    memmove(data + at + piece_size, data + at, size - at);
    memcpy(data + at, piece, piece_size);
    return size + piece_size;
}

// Changes `data` once; gives its new size.
static size_t mutate(test_random *r, uint8_t *data, size_t size) {
    const input *other = &corpus[test_random_below(r, corpus_size)];
    size_t at = test_random_below(r, size + 1), length = 1 + test_random_below(r, 8);
    uint8_t piece[INPUT_MAX], byte = random_byte(r);
    switch (test_random_below(r, 7)) {
    case 0:
        if (at < size) data[at] ^= (uint8_t)(1u << test_random_below(r, 8));
        return size;
    case 1:
        if (at < size) data[at] = byte;
        return size;
    case 2: return insert(data, size, at, &byte, 1);
    case 3:
        if (length > size - at) length = size - at;
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 4:
        if (length > size - at) length = size - at;
        memcpy(piece, data + at, length);
        return insert(data, size, at, piece, length);
    case 5: {
        size_t from = test_random_below(r, other->size + 1);
        return insert(data, size, at, other->data + from, other->size - from);
    }
    default: return at;
    }
}

int main(int argc, char **argv) {
    for (size_t i = 0; fuzz_seeds[i]; i++) add_input(fuzz_seeds[i], strlen(fuzz_seeds[i]));
    for (int i = 1; i < argc; i++) add_path(argv[i]);
    add_input("", 0);
    signal(SIGABRT, report);
    signal(SIGSEGV, report);
    for (size_t i = 0; i < corpus_size; i++) run(corpus[i].data, corpus[i].size);

    const char *asked = getenv("REWIND_FUZZ_RUNS");
    unsigned long runs = asked ? strtoul(asked, NULL, 10) : RUNS;
    test_random r = test_random_of(1);
    for (unsigned long i = 0; i < runs; i++) {
        uint8_t data[INPUT_MAX];
        const input *seed = &corpus[test_random_below(&r, corpus_size)];
        size_t size = seed->size;
        memcpy(data, seed->data, size);
        for (uint64_t n = 1 + test_random_below(&r, 4); n > 0; n--) size = mutate(&r, data, size);
        run(data, size);
    }
    for (size_t i = 0; i < corpus_size; i++) free(corpus[i].data);
    printf("%zu seeds, %lu mutations\n", corpus_size, runs);
    return 0;
}
