// checkpoint copy: out to a folder, and back.
#include <inttypes.h>

#include "operator/cli/cli_private.h"

static void show(rwd_cli *cli, const rwd_carried *done, const char *folder) {
    if (cli->json) {
        rwd_json_out json;
        rwd_json_init(&json, &cli->out, true);
        rwd_json_object(&json);
        rwd_json_put_string(&json, "id", done->id);
        rwd_json_put_int(&json, "next_offset", done->next_offset);
        rwd_json_put_string(&json, "folder", folder);
        rwd_json_put_bool(&json, "was_there", done->was_there);
        rwd_json_put_uint(&json, "files_copied", done->copied);
        rwd_json_put_uint(&json, "files_linked", done->linked);
        rwd_json_put_uint(&json, "journal_segments_copied", done->journal_copied);
        rwd_json_key(&json, "journal_next");
        if (done->journal_next >= 0) rwd_json_int(&json, done->journal_next);
        else rwd_json_null(&json);
        rwd_json_put_uint(&json, "bytes_copied", done->bytes);
        rwd_json_object_end(&json);
        rwd_buf_append_char(&cli->out, '\n');
        return;
    }
    char size[RWD_TIME_TEXT_MAX];
    rwd_size_text(done->bytes, size);
    rwd_buf_appendf(&cli->out, "checkpoint %s at offset %" PRId64 " is in %s%s", done->id, done->next_offset, folder, done->was_there ? ", where it was already\n" : ": ");
    if (!done->was_there) rwd_buf_appendf(&cli->out, "%zu files copied (%s), %zu that were there linked; all read back and compared\n", done->copied, size, done->linked);
    if (done->journal_next >= 0) rwd_buf_appendf(&cli->out, "the journal goes with it, up to offset %" PRId64 "\n", done->journal_next);
}

// A data directory's own folder for one job: a copy of another job's must not come back here.
static bool same_job(const rwd_place *place, const rwd_repo *from, rwd_error *err) {
    if (!place->job || strcmp(place->job->name, rwd_repo_job(from)) == 0) return true;
    return rwd_fail(err, RWD_E_FOREIGN, "the copy is of job '%s', not of '%s'", rwd_repo_job(from), place->job->name);
}

static bool copy(rwd_cli *cli, rwd_place *place, const char *from, const char *to, rwd_error *err) {
    rwd_io *io, *own;
    rwd_repo *repo;
    rwd_carried done;
    const char *word = cli->in->arg_count > 0 ? cli->in->args[0] : "latest";
    if (!rwd_io_pread_new(&io, err)) return false;
    if (!rwd_io_clone(io, &own, err)) {
        rwd_io_free(io);
        return false;
    }
    bool worked = rwd_repo_open_reader(from, io, cli->clock, &repo, err);
    if (worked) {
        worked = same_job(place, repo, err) && rwd_repo_carry(repo, to, word, own, cli->clock, &done, err);
        if (worked) show(cli, &done, to);
        rwd_repo_close(repo);
    }
    rwd_io_free(own);
    rwd_io_free(io);
    return worked;
}

bool rwd_run_checkpoint_copy(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    const char *to = cli->in->values[RWD_FLAG_ID_TO], *from = cli->in->values[RWD_FLAG_ID_FROM];
    if (!to == !from) return rwd_fail(err, RWD_E_USAGE, "say where: --to DIR, or --from DIR");
    if (!rwd_place_find(cli, &place, err)) return false;
    bool worked = copy(cli, &place, from ? from : place.data, to ? to : place.data, err);
    rwd_place_deinit(&place);
    return worked;
}
