// Paths and folders, in a temporary folder.
#include "operator/base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

static int make_root(void **state) {
    char *root = rwd_strdup("/tmp/rewind-fs-test-XXXXXX");
    if (!mkdtemp(root)) return -1;
    *state = root;
    return 0;
}

static int remove_root(void **state) {
    rwd_error err;
    int result = rwd_remove_tree(*state, &err) ? 0 : -1;
    free(*state);
    return result;
}

// A path below the test's folder; the string lives until the next call but three.
static const char *below(void **state, const char *name) {
    static char paths[4][RWD_PATH_MAX];
    static unsigned next;
    char *out = paths[next++ % 4];
    assert_true(rwd_path_join(out, *state, name, NULL));
    return out;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void paths_join_with_one_slash_and_split_back(void **state) {
    (void)state;
    static const char *const cases[][5] = {
        // dir, name, joined, folder of joined, name of joined
        {"a", "b", "a/b", "a", "b"},     {"a/", "b", "a/b", "a", "b"},    {"a//", "/b", "a/b", "a", "b"}, {"/", "b", "/b", "/", "b"},
        {"", "b", "b", ".", "b"},        {"/x/y", "z.txt", "/x/y/z.txt", "/x/y", "z.txt"}, {".", "b", "./b", ".", "b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char joined[RWD_PATH_MAX], dir[RWD_PATH_MAX];
        rwd_error err;
        assert_true(rwd_path_join(joined, cases[i][0], cases[i][1], &err));
        assert_string_equal(joined, cases[i][2]);
        rwd_path_dir(dir, joined);
        assert_string_equal(dir, cases[i][3]);
        assert_string_equal(rwd_path_name(joined), cases[i][4]);
    }
}

static void a_path_that_is_too_long_is_an_error(void **state) {
    (void)state;
    char name[RWD_PATH_MAX + 10], out[RWD_PATH_MAX];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    rwd_error err;
    assert_false(rwd_path_join(out, "dir", name, &err));
    assert_false(rwd_mkdirs(name, &err));
    name[RWD_PATH_MAX - 5] = '\0';
    assert_true(rwd_path_join(out, "dir", name, &err));
    name[RWD_PATH_MAX - 5] = 'n';
    name[RWD_PATH_MAX - 4] = '\0';
    assert_false(rwd_path_join(out, "dir", name, &err));
}

static void folders_are_made_with_their_parents_and_for_us_only(void **state) {
    rwd_error err;
    const char *path = below(state, "a/b//c/");
    assert_true(rwd_mkdirs(path, &err));
    assert_true(rwd_mkdirs(path, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    write_file(below(state, "file"), "x");
    assert_false(rwd_mkdirs(below(state, "file/sub"), &err));
    assert_false(rwd_mkdirs(below(state, "file"), &err));
    assert_non_null(strstr(err.place, "file"));
    assert_false(rwd_mkdirs("", &err));
}

static void a_tree_is_removed_whole_and_links_are_not_followed(void **state) {
    rwd_error err;
    assert_true(rwd_mkdirs(below(state, "keep"), &err));
    write_file(below(state, "keep/file"), "x");
    assert_true(rwd_mkdirs(below(state, "tree/x/y/z"), &err));
    for (int i = 0; i < 300; i++) {
        char name[40];
        snprintf(name, sizeof(name), "tree/x/file%d", i);
        write_file(below(state, name), "x");
    }
    assert_int_equal(symlink("../keep", below(state, "tree/link")), 0);
    assert_int_equal(symlink("tree", below(state, "root-link")), 0);
    assert_false(rwd_remove_tree(below(state, "root-link"), &err));
    assert_true(rwd_path_exists(below(state, "tree")));
    assert_true(rwd_remove_tree(below(state, "tree"), &err));
    assert_false(rwd_path_exists(below(state, "tree")));
    assert_true(rwd_path_exists(below(state, "keep/file")));
    assert_true(rwd_remove_tree(below(state, "tree"), &err));
    assert_true(rwd_remove_tree(below(state, "keep/file"), &err));
    assert_false(rwd_path_exists(below(state, "keep/file")));
    assert_int_equal(unlink(below(state, "root-link")), 0);
}

// In a child whose root is the temporary folder: a guard that fails must not take the machine along.
static void the_root_folder_is_never_removed(void **state) {
    write_file(below(state, "file"), "x");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rwd_error err;
        if (chroot(*state) != 0 || chdir("/") != 0) _exit(77);
        bool refused = !rwd_remove_tree("/", &err) && err.code == RWD_E_INTERNAL && !rwd_remove_tree("//", &err) &&
                       !rwd_remove_tree("/..", &err) && rwd_path_exists("/file");
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip();  // not allowed to change the root
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_tree_that_is_too_deep_is_refused_not_recursed(void **state) {
    rwd_error err;
    char path[RWD_PATH_MAX];
    snprintf(path, sizeof(path), "%s/deep", (const char *)*state);
    for (int i = 0; i < 70; i++) strcat(path, "/d");
    assert_true(rwd_mkdirs(path, &err));
    assert_false(rwd_remove_tree(below(state, "deep"), &err));
    assert_non_null(strstr(err.cause, "deeper"));
    for (int i = 0; i < 70; i++) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
}

static void a_file_is_read_whole_up_to_its_limit(void **state) {
    rwd_error err;
    const char *path = below(state, "data");
    rwd_buf text = {0}, out = {0};
    for (int i = 0; i < 30000; i++) rwd_buf_appendf(&text, "%d ", i);
    write_file(path, rwd_buf_cstr(&text));
    rwd_buf_append_str(&out, "before ");
    assert_true(rwd_read_file(path, text.size, &out, &err));
    assert_int_equal(out.size, text.size + 7);
    assert_memory_equal(out.data + 7, text.data, text.size);
    assert_false(rwd_read_file(path, text.size - 1, &out, &err));
    assert_int_equal(err.code, RWD_E_TOO_LARGE);
    assert_string_equal(err.place, path);
    assert_int_equal(out.size, text.size + 7);
    write_file(path, "");
    rwd_buf_clear(&out);
    assert_true(rwd_read_file(path, 0, &out, &err));
    assert_int_equal(out.size, 0);
    assert_false(rwd_read_file(below(state, "absent"), 10, &out, &err));
    assert_int_equal(err.code, RWD_E_IO);
    assert_false(rwd_read_file(*state, 10, &out, &err));
    rwd_buf_deinit(&text);
    rwd_buf_deinit(&out);
}

static void a_folder_is_listed_in_byte_order(void **state) {
    rwd_error err;
    char **names;
    size_t count;
    assert_true(rwd_mkdirs(below(state, "list/sub"), &err));
    write_file(below(state, "list/b"), "");
    write_file(below(state, "list/B"), "");
    write_file(below(state, "list/a10"), "");
    write_file(below(state, "list/a9"), "");
    write_file(below(state, "list/.hidden"), "");
    assert_true(rwd_list_dir(below(state, "list"), &names, &count, &err));
    static const char *const expected[] = {".hidden", "B", "a10", "a9", "b", "sub"};
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) assert_string_equal(names[i], expected[i]);
    rwd_names_free(names, count);
    assert_true(rwd_list_dir(below(state, "list/sub"), &names, &count, &err));
    assert_int_equal(count, 0);
    rwd_names_free(names, count);
    assert_false(rwd_list_dir(below(state, "absent"), &names, &count, &err));
    rwd_names_free(names, count);
}

static void file_system_questions_work_for_paths_that_do_not_exist_yet(void **state) {
    rwd_error err;
    uint64_t here, there;
    assert_true(rwd_disk_free(*state, &here, &err));
    assert_true(rwd_disk_free(below(state, "not/yet/there"), &there, &err));
    assert_true(here > 0 && there > 0);
    assert_true(rwd_disk_free("not-yet", &there, &err));
    assert_null(rwd_network_fs("/proc"));
    assert_null(rwd_network_fs("/proc/not-yet/there"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_join_with_one_slash_and_split_back),
        cmocka_unit_test(a_path_that_is_too_long_is_an_error),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents_and_for_us_only, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_whole_and_links_are_not_followed, make_root, remove_root),
        cmocka_unit_test_setup_teardown(the_root_folder_is_never_removed, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_tree_that_is_too_deep_is_refused_not_recursed, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_file_is_read_whole_up_to_its_limit, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_folder_is_listed_in_byte_order, make_root, remove_root),
        cmocka_unit_test_setup_teardown(file_system_questions_work_for_paths_that_do_not_exist_yet, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
