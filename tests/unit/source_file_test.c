// A file as a partition: records, ends, limits, places to go on from, and files that are not what they were.
#include <sys/stat.h>

#include "tests/support/random.h"
#include "tests/unit/source_support.h"

static source_fixture f;
static int begin_json(void **state) {
    (void)state;
    return source_begin(&f, "orders.jsonl");
}
static int begin_csv(void **state) {
    (void)state;
    source_begin(&f, "orders.csv");
    f.options.csv = true;
    return 0;
}
static int begin_csv_header(void **state) {
    begin_csv(state);
    f.options.csv_header = true;
    return 0;
}
static int end(void **state) {
    (void)state;
    source_end(&f);
    return 0;
}

static void open_source(void) { check_ok(rwd_file_source_open(&f.options, f.io, f.clock, &f.source, &f.err)); }
static void open_at_start(const char *text) {
    write_text(&f, text);
    open_source();
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
}

// ---------------------------------------------------------------------------------------------- records

static void lines_are_records_with_offsets_from_0(void **state) {
    (void)state;
    open_at_start("one\ntwo\nthree\n");
    check_batch("0:one|1:two|2:three.");
    check_batch(".");
}

static void the_last_line_needs_no_newline(void **state) {
    (void)state;
    open_at_start("one\ntwo");
    check_batch("0:one|1:two.");
}

static void empty_lines_are_no_records_and_crlf_ends_a_line(void **state) {
    (void)state;
    open_at_start("\n\r\none\r\n\n\r\ntwo\r\n \r\n\r");
    check_batch("0:one|1:two|2: .");
}

static void a_byte_order_mark_is_passed_over(void **state) {
    (void)state;
    open_at_start("\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n");
    check_batch("0:one|1:\xEF\xBB\xBFtwo.");
}

static void a_file_of_a_byte_order_mark_alone_has_no_records(void **state) {
    (void)state;
    open_at_start("\xEF\xBB\xBF");
    check_batch(".");
}

static void an_empty_file_has_no_records(void **state) {
    (void)state;
    open_at_start("");
    check_batch(".");
    int64_t low, high;
    check_ok(f.source->ops->bounds(f.source, &low, &high, &f.err));
    assert_int_equal(low, 0);
    assert_int_equal(high, 0);
}

static void a_batch_holds_no_more_than_was_asked_for(void **state) {
    (void)state;
    open_at_start("a\nb\nc\n");
    char *got = batch_text(&f, 2, 0);
    assert_string_equal(got, "0:a|1:b");
    free(got);
    check_batch("2:c.");
}

static void a_record_knows_its_place_its_size_and_its_hash(void **state) {
    (void)state;
    open_at_start("\xEF\xBB\xBFone\r\n\r\ntwo");
    rwd_batch batch;
    check_ok(f.source->ops->batch(f.source, 10, 0, &batch, &f.err));
    assert_int_equal(batch.count, 2);
    assert_int_equal(batch.records[0].position, 3);
    assert_int_equal(batch.records[1].position, 10);
    assert_int_equal(batch.records[1].full_size, 3);
    assert_true(rwd_hash128_equal(batch.records[1].hash, rwd_hash128_of("two", 3, 1)));
    assert_int_equal(batch.records[0].time_us, RWD_TIME_NONE);
    f.source->ops->release(f.source);
}

static void a_quoted_newline_belongs_to_its_row(void **state) {
    (void)state;
    open_at_start("a,\"1\n2\"\nb,\"\"\"\n\"\nc,3\"\nd,4\n");
    check_batch("0:a,\"1\n2\"|1:b,\"\"\"\n\"|2:c,3\"|3:d,4.");
}

static void a_quote_that_never_ends_is_one_malformed_record(void **state) {
    (void)state;
    open_at_start("a,1\nb,\"2\nc,3\n");
    check_batch("0:a,1|1:b,\"2\nc,3\n!malformed.");
}

// ---------------------------------------------------------------------------------------------- blocks and large records

// What the records of a text must be, cut by the simplest means.
static void check_all_records(const char *text, size_t size, uint64_t max_size) {
    rwd_batch batch;
    const char *at = text, *stop = text + size;
    int64_t offset = 0;
    test_random random = test_random_of(size);
    do {
        check_ok(f.source->ops->batch(f.source, 1 + test_random_below(&random, 500), 0, &batch, &f.err));
        for (size_t i = 0; i < batch.count; i++) {
            const rwd_record *r = &batch.records[i];
            const char *lf = memchr(at, '\n', (size_t)(stop - at));
            size_t length = (size_t)((lf ? lf : stop) - at);
            if (length > 0 && at[length - 1] == '\r') length--;
            assert_int_equal(r->offset, offset);
            assert_int_equal(r->position, at - text);
            assert_int_equal(r->full_size, length);
            assert_true(rwd_hash128_equal(r->hash, rwd_hash128_of(at, length, (uint64_t)offset)));
            assert_int_equal(r->fault, length > max_size ? RWD_E_TOO_LARGE : RWD_E_NONE);
            assert_true(r->value.size == length || (length > max_size && r->value.size == 4096));
            assert_memory_equal(r->value.data, at, r->value.size);
            at = lf ? lf + 1 : stop;
            offset++;
        }
        f.source->ops->release(f.source);
    } while (!batch.end);
    assert_ptr_equal(at, stop);
}

static void records_do_not_depend_on_where_blocks_end(void **state) {
    (void)state;
    test_random random = test_random_of(5);
    size_t size = 0, capacity = 3000000;
    char *text = malloc(capacity);
    while (size < capacity - 400000) {
        size_t length = test_random_below(&random, 50) == 0 ? 1 + test_random_below(&random, 300000) : 1 + test_random_below(&random, 300);
        memset(text + size, 'a' + (int)test_random_below(&random, 26), length);
        if (test_random_below(&random, 2)) text[size + length - 1] = '\r';  // of a line ending, or alone before another
        size += length;
        text[size++] = '\n';
        if (length == 1 && text[size - 2] == '\r') size -= 2;  // an empty line is no record
    }
    write_bytes(f.path, "wb", text, size);
    f.options.memory = 0;  // the smallest block
    const uint64_t limits[] = {1, 100, 5000, 65535, 65536, 65537, 200000, 1 << 20};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        f.options.max_size = limits[i];
        open_source();
        check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
        check_all_records(text, size, limits[i]);
        source_close(&f);
    }
    free(text);
}

static void a_record_is_too_large_from_one_byte_over_the_limit_on(void **state) {
    (void)state;
    f.options.max_size = 4;
    open_at_start("1234\r\n12345\n123\r4\n1234\r\r\n\n1234");
    check_batch("0:1234|1:12345!too-large|2:123\r4!too-large|3:1234\r!too-large|4:1234.");
}

static void a_line_of_100_megabytes_passes_in_bounded_memory(void **state) {
    (void)state;
    const size_t size = 100000000;
    FILE *file = fopen(f.path, "wb");
    char piece[10000];
    rwd_hasher *hasher = rwd_hasher_new();
    rwd_hasher_reset_seeded(hasher, 1);
    fputs("before\n", file);
    for (size_t at = 0; at < size; at += sizeof piece) {
        memset(piece, 'a' + (int)(at / sizeof piece % 26), sizeof piece);
        fwrite(piece, sizeof piece, 1, file);
        rwd_hasher_update(hasher, piece, sizeof piece);
    }
    fputs("\r\nafter\n", file);
    assert_int_equal(fclose(file), 0);
    f.options.memory = 2 << 20;
    open_source();
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
    check_batch("0:before");
    rwd_batch batch;
    do check_ok(f.source->ops->batch(f.source, 10, 0, &batch, &f.err));
    while (batch.count == 0 && !batch.end);
    assert_int_equal(batch.count, 2);
    const rwd_record *large = &batch.records[0];
    assert_int_equal(large->fault, RWD_E_TOO_LARGE);
    assert_int_equal(large->offset, 1);
    assert_int_equal(large->position, 7);
    assert_int_equal(large->full_size, size);
    assert_int_equal(large->value.size, 4096);
    assert_true(rwd_hash128_equal(large->hash, rwd_hasher_finish(hasher)));
    char back[3];
    check_ok(f.source->ops->read_back(f.source, large, size - 2, back, 2, &f.err));
    assert_memory_equal(back, piece, 2);
    check_ok(f.source->ops->read_back(f.source, large, 0, back, 2, &f.err));
    assert_memory_equal(back, "aa", 2);
    assert_memory_equal(batch.records[1].value.data, "after", 5);
    f.source->ops->release(f.source);
    rwd_hasher_free(hasher);
}

static void a_quote_that_never_ends_is_malformed_however_large(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, "a\n\"");
    for (int i = 0; i < 300000; i++) rwd_buf_append_str(&text, "x,y\n");
    f.options.max_size = 10000;
    f.options.memory = 0;
    open_at_start(rwd_buf_cstr(&text));
    check_batch("0:a");
    rwd_batch batch;
    check_ok(f.source->ops->batch(f.source, 10, 0, &batch, &f.err));
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.records[0].fault, RWD_E_MALFORMED);
    assert_int_equal(batch.records[0].full_size, text.size - 2);
    assert_int_equal(batch.records[0].value.size, 4096);
    assert_true(rwd_hash128_equal(batch.records[0].hash, rwd_hash128_of(text.data + 2, text.size - 2, 1)));
    f.source->ops->release(f.source);
    check_batch(".");
    rwd_buf_deinit(&text);
}

// ---------------------------------------------------------------------------------------------- headers

static void check_columns(const char *text, const char *wanted) {
    write_text(&f, text);
    open_source();
    size_t count;
    const char *const *columns = f.source->ops->columns(f.source, &count);
    rwd_buf out = {0};
    for (size_t i = 0; i < count; i++) rwd_buf_appendf(&out, "%s%s", i ? "|" : "", columns[i]);
    assert_string_equal(rwd_buf_cstr(&out), wanted);
    rwd_buf_deinit(&out);
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
}

static void the_header_is_no_record(void **state) {
    (void)state;
    check_columns("a,b\n1,2\n", "a|b");
    check_batch("0:1,2.");
}

static void a_header_may_be_quoted_and_behind_a_byte_order_mark(void **state) {
    (void)state;
    check_columns("\xEF\xBB\xBF\r\n\"a, \"\"b\"\"\",\"c\nd\",\r\n1,2,3\n", "a, \"b\"|c\nd|");
    check_batch("0:1,2,3.");
}

static void a_header_alone_has_no_records(void **state) {
    (void)state;
    check_columns("a,b", "a|b");
    check_batch(".");
}

static void check_bad_header(const char *text, const char *part) {
    write_text(&f, text);
    check_fails(rwd_file_source_open(&f.options, f.io, f.clock, &f.source, &f.err), RWD_E_SOURCE_HEADER, part);
}

static void an_empty_file_lacks_its_header(void **state) {
    (void)state;
    check_bad_header("", "the file is empty");
    check_bad_header("\n\r\n", "the file is empty");
}

static void a_header_that_is_not_csv_or_not_utf8_is_refused(void **state) {
    (void)state;
    check_bad_header("a,b\"c\n", "a quote inside an unquoted field");
    check_bad_header("a,\"b\n1,2\n", "a quote that is never closed");
    check_bad_header("a,\xFF\n", "not valid UTF-8");
    check_bad_header("\xFF\xFE" "a\n", "UTF-16");
}

static void a_header_has_its_bounds(void **state) {
    (void)state;
    rwd_buf text = {0};
    for (int i = 0; i < 5000; i++) rwd_buf_append_char(&text, ',');
    rwd_buf_append_char(&text, '\n');
    check_bad_header(rwd_buf_cstr(&text), "more than 4096 columns");
    rwd_buf_clear(&text);
    for (int i = 0; i < 300000; i++) rwd_buf_append_char(&text, 'x');
    check_bad_header(rwd_buf_cstr(&text), "longer than 256 KiB");
    rwd_buf_deinit(&text);
}

// ---------------------------------------------------------------------------------------------- following

static void a_followed_line_is_a_record_once_its_newline_is_there(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\ntw");
    check_batch("0:one.");
    check_batch(".");
    append_text(&f, "o");
    check_batch(".");
    append_text(&f, "\nthree\n");
    check_batch("1:two|2:three.");
}

static void a_followed_row_is_a_record_once_its_quotes_are_closed(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("a,\"1\n");
    check_batch(".");
    append_text(&f, "2\"");
    check_batch(".");
    append_text(&f, "\"\n\"\n");
    check_batch("0:a,\"1\n2\"\"\n\".");
}

static void a_followed_file_may_begin_empty_even_with_a_header(void **state) {
    (void)state;
    f.options.follow = true;
    write_text(&f, "");
    open_source();
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
    check_batch(".");
    rwd_buf cursor = {0};
    check_ok(f.source->ops->cursor(f.source, NULL, &cursor, &f.err));
    append_text(&f, "\xEF\xBB");
    check_batch(".");
    append_text(&f, "\xBF" "a,b");
    check_batch(".");
    size_t count;
    assert_null(f.source->ops->columns(f.source, &count));
    append_text(&f, "\n1,2\n3");
    check_batch("0:1,2.");
    assert_non_null(f.source->ops->columns(f.source, &count));
    assert_int_equal(count, 2);
    // The place that was taken while the file was empty leads behind the header.
    check_ok(f.source->ops->assign(f.source, 0, rwd_buf_slice(&cursor), &f.err));
    check_batch("0:1,2.");
    rwd_buf_deinit(&cursor);
}

static void a_byte_order_mark_that_comes_in_pieces_is_passed_over(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("\xEF");
    check_batch(".");
    append_text(&f, "\xBB");
    check_batch(".");
    append_text(&f, "\xBFone\n");
    check_batch("0:one.");
}

static void waiting_ends_with_its_time_or_the_first_record(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\n");
    int64_t before = rwd_clock_ns(f.clock);
    char *got = batch_text(&f, 10, 1000000000);
    assert_string_equal(got, "0:one.");
    free(got);
    assert_int_equal(rwd_clock_ns(f.clock), before);  // it did not sleep
    got = batch_text(&f, 10, 1000000000);
    assert_string_equal(got, ".");
    free(got);
    assert_int_equal(rwd_clock_ns(f.clock), before + 1000000000);
}

static void a_large_followed_record_is_streamed_as_it_comes(void **state) {
    (void)state;
    f.options.follow = true;
    f.options.max_size = 100;
    f.options.memory = 0;
    open_at_start("");
    rwd_buf line = {0};
    for (int i = 0; i < 40; i++) {
        rwd_buf piece = {0};
        for (int j = 0; j < 9000; j++) rwd_buf_append_char(&piece, (char)('a' + i % 26));
        if (i % 3 == 0) rwd_buf_append_char(&piece, '\r');
        append_text(&f, rwd_buf_cstr(&piece));
        rwd_buf_append(&line, piece.data, piece.size);
        rwd_buf_deinit(&piece);
        check_batch(".");
    }
    append_text(&f, "\nshort\n");
    line.size--;  // the last CR belongs to the line ending
    rwd_batch batch;
    check_ok(f.source->ops->batch(f.source, 10, 0, &batch, &f.err));
    assert_int_equal(batch.count, 2);
    assert_int_equal(batch.records[0].full_size, line.size);
    assert_true(rwd_hash128_equal(batch.records[0].hash, rwd_hash128_of(line.data, line.size, 0)));
    assert_memory_equal(batch.records[0].value.data, line.data, 4096);
    assert_memory_equal(batch.records[1].value.data, "short", 5);
    f.source->ops->release(f.source);
    rwd_buf_deinit(&line);
}

// ---------------------------------------------------------------------------------------------- files that change

static void check_stops(const char *part) {
    rwd_batch batch;
    check_fails(f.source->ops->batch(f.source, 10, 0, &batch, &f.err), RWD_E_SOURCE_CHANGED, part);
    assert_true(f.err.next[0] != '\0');
}

static void a_followed_file_that_shrinks_stops_the_job(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\ntwo\n");
    check_batch("0:one|1:two.");
    assert_int_equal(truncate(f.path, 5), 0);
    check_stops("has 5 bytes and had at least 8");
}

// Cut and written anew between two looks, as log rotation by copying does: its length says nothing.
static void a_followed_file_that_shrinks_and_grows_again_stops_the_job(void **state) {
    (void)state;
    static const char *const anew[] = {"uno\ndos\ntres\n", "one\ntwo\nthrei\n", "one\ndos\ntres\nand much more than there was\n"};
    f.options.follow = true;
    for (size_t i = 0; i < sizeof anew / sizeof anew[0]; i++) {
        open_at_start("one\ntwo\n");
        check_batch("0:one|1:two.");
        append_text(&f, "three");
        check_batch(".");
        append_text(&f, "\n");
        check_batch("2:three.");
        write_text(&f, "");
        write_text(&f, anew[i]);
        append_text(&f, "one line more\n");
        check_stops("are not those that were read");
        source_close(&f);
    }
}

static void a_followed_file_that_is_replaced_stops_the_job(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\n");
    check_batch("0:one.");
    char other[160];
    (void)snprintf(other, sizeof other, "%s.new", f.path);
    write_bytes(other, "wb", "one\ntwo\n", 8);
    assert_int_equal(rename(other, f.path), 0);
    check_stops("another file");
}

static void a_followed_file_that_is_removed_stops_the_job(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\n");
    check_batch("0:one.");
    assert_int_equal(unlink(f.path), 0);
    check_stops("removed or renamed");
}

static void what_was_appended_before_a_replacement_is_still_read(void **state) {
    (void)state;
    f.options.follow = true;
    open_at_start("one\n");
    check_batch("0:one.");
    append_text(&f, "two\n");
    assert_int_equal(unlink(f.path), 0);
    check_batch("1:two.");
    check_stops("removed or renamed");
}

static void a_file_that_shrinks_while_it_is_read_stops_the_job(void **state) {
    (void)state;
    rwd_buf text = {0};
    for (int i = 0; i < 100000; i++) rwd_buf_append_str(&text, "a line of this file\n");
    f.options.memory = 0;
    open_at_start(rwd_buf_cstr(&text));
    rwd_batch batch;
    check_ok(f.source->ops->batch(f.source, 10, 0, &batch, &f.err));
    f.source->ops->release(f.source);
    assert_int_equal(truncate(f.path, 1000), 0);
    for (int i = 0; i < 1000; i++) {
        if (!f.source->ops->batch(f.source, RWD_BATCH_MAX, 0, &batch, &f.err)) break;
        assert_false(batch.end);
        f.source->ops->release(f.source);
    }
    assert_int_equal(f.err.code, RWD_E_SOURCE_CHANGED);
    rwd_buf_deinit(&text);
}

static void a_folder_or_a_missing_file_is_refused(void **state) {
    (void)state;
    check_fails(rwd_file_source_open(&f.options, f.io, f.clock, &f.source, &f.err), RWD_E_NOT_FOUND, f.path);
    f.options.path = f.dir;
    check_fails(rwd_file_source_open(&f.options, f.io, f.clock, &f.source, &f.err), RWD_E_CONFIG, "a folder");
}

static void a_failed_read_is_an_error_with_the_place(void **state) {
    (void)state;
    write_text(&f, "one\n");
    open_source();
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
    source_close(&f);
    rwd_io *inner, *io;
    check_ok(rwd_io_pread_new(&inner, &f.err));
    check_ok(rwd_io_fault_new(inner, &(rwd_io_fault_plan){.seed = 1, .fail_at = 2, .error = 5, .fail_forever = true}, &io, &f.err));
    check_ok(rwd_file_source_open(&f.options, io, f.clock, &f.source, &f.err));
    rwd_batch batch;
    check_fails(f.source->ops->batch(f.source, 10, 0, &batch, &f.err), RWD_E_IO, f.path);
    source_close(&f);
    rwd_io_free(io);
}

// ---------------------------------------------------------------------------------------------- places to go on from

// The cursor behind record `index` of the next batch of `max`.
static rwd_buf cursor_behind(size_t max, size_t index) {
    rwd_batch batch;
    rwd_buf cursor = {0};
    check_ok(f.source->ops->batch(f.source, max, 0, &batch, &f.err));
    assert_true(index < batch.count);
    check_ok(f.source->ops->cursor(f.source, &batch.records[index], &cursor, &f.err));
    f.source->ops->release(f.source);
    return cursor;
}

static void a_cursor_leads_to_the_record_behind_it(void **state) {
    (void)state;
    open_at_start("a,\"1\n\"\r\n\r\nb,2\nc,3");
    for (size_t i = 0; i < 3; i++) {
        check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
        rwd_buf cursor = cursor_behind(10, i);
        source_close(&f);
        open_source();
        check_ok(f.source->ops->assign(f.source, (int64_t)i + 1, rwd_buf_slice(&cursor), &f.err));
        check_batch(i == 0 ? "1:b,2|2:c,3." : i == 1 ? "2:c,3." : ".");
        rwd_buf_deinit(&cursor);
    }
}

static void without_a_cursor_records_below_the_offset_are_passed_over(void **state) {
    (void)state;
    open_at_start("a\nb\n\nc\n");
    check_ok(f.source->ops->assign(f.source, 2, (rwd_slice){0}, &f.err));
    check_batch("2:c.");
    check_ok(f.source->ops->assign(f.source, 3, (rwd_slice){0}, &f.err));
    check_batch(".");
    check_fails(f.source->ops->assign(f.source, 4, (rwd_slice){0}, &f.err), RWD_E_POSITION, "ends at offset 3");
}

static void the_cursor_at_the_assigned_place_leads_there_again(void **state) {
    (void)state;
    open_at_start("a\nb\nc\n");
    check_ok(f.source->ops->assign(f.source, 2, (rwd_slice){0}, &f.err));
    rwd_buf cursor = {0};
    check_ok(f.source->ops->cursor(f.source, NULL, &cursor, &f.err));
    check_ok(f.source->ops->assign(f.source, 0, (rwd_slice){0}, &f.err));
    check_ok(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err));
    check_batch("2:c.");
    rwd_buf_deinit(&cursor);
}

static void a_restart_seeks_and_does_not_scan(void **state) {
    (void)state;
    rwd_buf text = {0};
    for (int i = 0; i < 400000; i++) rwd_buf_appendf(&text, "a line of this file, number %d\n", i);
    open_at_start(rwd_buf_cstr(&text));
    rwd_batch batch;
    rwd_buf cursor = {0};
    int64_t next = 0;
    while (next < 390000) {
        check_ok(f.source->ops->batch(f.source, RWD_BATCH_MAX, 0, &batch, &f.err));
        next = batch.records[batch.count - 1].offset + 1;
        rwd_buf_clear(&cursor);
        check_ok(f.source->ops->cursor(f.source, &batch.records[batch.count - 1], &cursor, &f.err));
        f.source->ops->release(f.source);
    }
    source_close(&f);
    uint64_t read_before = f.io->bytes_read;
    open_source();
    check_ok(f.source->ops->assign(f.source, next, rwd_buf_slice(&cursor), &f.err));
    check_ok(f.source->ops->batch(f.source, 1, 0, &batch, &f.err));
    assert_int_equal(batch.records[0].offset, next);
    f.source->ops->release(f.source);
    assert_true(text.size > 10000000);
    assert_true(f.io->bytes_read - read_before <= (1 << 20) + 2 * 4096);  // one block and the comparison
    rwd_buf_deinit(&cursor);
    rwd_buf_deinit(&text);
}

static void a_cursor_into_a_changed_file_leads_nowhere(void **state) {
    (void)state;
    open_at_start("one\ntwo\nthree\n");
    rwd_buf cursor = cursor_behind(10, 1);
    source_close(&f);
    write_text(&f, "one\ntwX\nthree\n");
    open_source();
    check_fails(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err), RWD_E_SOURCE_CHANGED, "bytes before byte 8");
    source_close(&f);
    write_text(&f, "one\ntw");
    open_source();
    check_fails(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err), RWD_E_SOURCE_CHANGED, "ends before byte 8");
    source_close(&f);
    write_text(&f, "one\ntwo\nthree\nfour\n");
    open_source();
    check_fails(f.source->ops->assign(f.source, 3, rwd_buf_slice(&cursor), &f.err), RWD_E_POSITION, "offset 2 and not at 3");
    check_ok(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err));
    check_batch("2:three|3:four.");
    rwd_buf_deinit(&cursor);
}

static void a_last_record_that_was_continued_is_noticed(void **state) {
    (void)state;
    open_at_start("one\ntwo");
    rwd_buf cursor = cursor_behind(10, 1);
    source_close(&f);
    append_text(&f, "+more\nthree\n");
    open_source();
    check_fails(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err), RWD_E_SOURCE_CHANGED, "was continued since");
    source_close(&f);
    write_text(&f, "one\ntwo\r\nthree\n");
    open_source();
    check_ok(f.source->ops->assign(f.source, 2, rwd_buf_slice(&cursor), &f.err));
    check_batch("2:three.");
    rwd_buf_deinit(&cursor);
}

static void hostile_cursors_are_refused(void **state) {
    (void)state;
    open_at_start("one\ntwo\n");
    rwd_buf cursor = cursor_behind(10, 0);
    for (size_t size = 1; size < cursor.size; size++) {
        check_fails(f.source->ops->assign(f.source, 1, rwd_slice_of(cursor.data, size), &f.err), RWD_E_CORRUPT, "cursor");
    }
    cursor.data[0] = 2;
    check_fails(f.source->ops->assign(f.source, 1, rwd_buf_slice(&cursor), &f.err), RWD_E_NEWER_FORMAT, "format 2");
    cursor.data[0] = 1;
    rwd_put_le64(cursor.data + 2, UINT64_MAX - 3);
    check_fails(f.source->ops->assign(f.source, 1, rwd_buf_slice(&cursor), &f.err), RWD_E_CORRUPT, "cursor");
    rwd_buf_deinit(&cursor);
}

// ---------------------------------------------------------------------------------------------- identity

static rwd_buf identity_of(rwd_hash128 *out_hash) {
    rwd_buf identity = {0};
    check_ok(f.source->ops->identity(f.source, &identity, out_hash, &f.err));
    return identity;
}

static void a_file_stays_itself_while_it_grows_and_when_it_moves(void **state) {
    (void)state;
    rwd_hash128 before, after;
    open_at_start("a,b\n1,2\n");
    rwd_buf identity = identity_of(&before);
    source_close(&f);
    rwd_buf more = {0};
    for (int i = 0; i < 2000; i++) rwd_buf_append_str(&more, "3,4\n");
    append_text(&f, rwd_buf_cstr(&more));
    char folder[160], moved[200];
    (void)snprintf(folder, sizeof folder, "%s/elsewhere", f.dir);
    (void)snprintf(moved, sizeof moved, "%s/orders.csv", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(rename(f.path, moved), 0);
    f.options.path = moved;
    open_source();
    check_ok(f.source->ops->check_identity(f.source, rwd_buf_slice(&identity), &f.err));
    rwd_buf grown = identity_of(&after);
    assert_true(rwd_hash128_equal(before, after));
    rwd_buf_deinit(&grown);
    rwd_buf_deinit(&identity);
    rwd_buf_deinit(&more);
}

static void check_not_the_same(const char *text, const rwd_buf *identity, const char *part) {
    source_close(&f);
    write_text(&f, text);
    open_source();
    check_fails(f.source->ops->check_identity(f.source, rwd_buf_slice(identity), &f.err), RWD_E_SOURCE_CHANGED, part);
    assert_true(f.err.next[0] != '\0');
}

static void another_file_under_the_same_name_is_noticed(void **state) {
    (void)state;
    rwd_hash128 hash;
    open_at_start("a,b\n1,2\n");
    rwd_buf identity = identity_of(&hash);
    check_not_the_same("a,b\n1,3\n4,5\n", &identity, "the first 8 bytes");
    check_not_the_same("b,a\n1,2\n", &identity, "header line");
    check_not_the_same("a,b\n1,", &identity, "has 6 bytes");
    rwd_buf_deinit(&identity);
}

static void a_file_of_another_name_is_another_file(void **state) {
    (void)state;
    rwd_hash128 hash;
    open_at_start("a,b\n1,2\n");
    rwd_buf identity = identity_of(&hash);
    source_close(&f);
    char other[160];
    (void)snprintf(other, sizeof other, "%s/other.csv", f.dir);
    assert_int_equal(rename(f.path, other), 0);
    f.options.path = other;
    open_source();
    check_fails(f.source->ops->check_identity(f.source, rwd_buf_slice(&identity), &f.err), RWD_E_SOURCE_CHANGED, "named 'orders.csv'");
    rwd_buf_deinit(&identity);
}

static void hostile_identities_are_refused(void **state) {
    (void)state;
    rwd_hash128 hash;
    open_at_start("a,b\n1,2\n");
    rwd_buf identity = identity_of(&hash);
    for (size_t size = 0; size < identity.size; size++)
        check_fails(f.source->ops->check_identity(f.source, rwd_slice_of(identity.data, size), &f.err), RWD_E_CORRUPT, "identity");
    identity.data[0] = 9;
    check_fails(f.source->ops->check_identity(f.source, rwd_buf_slice(&identity), &f.err), RWD_E_NEWER_FORMAT, "format 9");
    rwd_buf_deinit(&identity);
}

#define JSON(name) cmocka_unit_test_setup_teardown(name, begin_json, end)
#define CSV(name) cmocka_unit_test_setup_teardown(name, begin_csv, end)
#define HEADER(name) cmocka_unit_test_setup_teardown(name, begin_csv_header, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        JSON(lines_are_records_with_offsets_from_0),
        JSON(the_last_line_needs_no_newline),
        JSON(empty_lines_are_no_records_and_crlf_ends_a_line),
        JSON(a_byte_order_mark_is_passed_over),
        JSON(a_file_of_a_byte_order_mark_alone_has_no_records),
        JSON(an_empty_file_has_no_records),
        JSON(a_batch_holds_no_more_than_was_asked_for),
        JSON(a_record_knows_its_place_its_size_and_its_hash),
        CSV(a_quoted_newline_belongs_to_its_row),
        CSV(a_quote_that_never_ends_is_one_malformed_record),
        JSON(records_do_not_depend_on_where_blocks_end),
        JSON(a_record_is_too_large_from_one_byte_over_the_limit_on),
        JSON(a_line_of_100_megabytes_passes_in_bounded_memory),
        CSV(a_quote_that_never_ends_is_malformed_however_large),
        HEADER(the_header_is_no_record),
        HEADER(a_header_may_be_quoted_and_behind_a_byte_order_mark),
        HEADER(a_header_alone_has_no_records),
        HEADER(an_empty_file_lacks_its_header),
        HEADER(a_header_that_is_not_csv_or_not_utf8_is_refused),
        HEADER(a_header_has_its_bounds),
        JSON(a_followed_line_is_a_record_once_its_newline_is_there),
        CSV(a_followed_row_is_a_record_once_its_quotes_are_closed),
        HEADER(a_followed_file_may_begin_empty_even_with_a_header),
        JSON(a_byte_order_mark_that_comes_in_pieces_is_passed_over),
        JSON(waiting_ends_with_its_time_or_the_first_record),
        JSON(a_large_followed_record_is_streamed_as_it_comes),
        JSON(a_followed_file_that_shrinks_stops_the_job),
        JSON(a_followed_file_that_shrinks_and_grows_again_stops_the_job),
        JSON(a_followed_file_that_is_replaced_stops_the_job),
        JSON(a_followed_file_that_is_removed_stops_the_job),
        JSON(what_was_appended_before_a_replacement_is_still_read),
        JSON(a_file_that_shrinks_while_it_is_read_stops_the_job),
        JSON(a_folder_or_a_missing_file_is_refused),
        JSON(a_failed_read_is_an_error_with_the_place),
        CSV(a_cursor_leads_to_the_record_behind_it),
        JSON(without_a_cursor_records_below_the_offset_are_passed_over),
        JSON(the_cursor_at_the_assigned_place_leads_there_again),
        JSON(a_restart_seeks_and_does_not_scan),
        JSON(a_cursor_into_a_changed_file_leads_nowhere),
        JSON(a_last_record_that_was_continued_is_noticed),
        JSON(hostile_cursors_are_refused),
        HEADER(a_file_stays_itself_while_it_grows_and_when_it_moves),
        HEADER(another_file_under_the_same_name_is_noticed),
        CSV(a_file_of_another_name_is_another_file),
        HEADER(hostile_identities_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
