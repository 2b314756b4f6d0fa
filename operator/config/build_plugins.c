// The plugins of a job: loaded where the job is, since what they are is part of its logic.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/fs.h"
#include "operator/base/words.h"
#include "operator/config/job_private.h"

#define NAMES_MAX (RWD_PLUGINS_MAX * RWD_PLUGIN_ENTRIES_MAX)

// Where there is a folder, the file is looked for there, by its name.
static bool load(rwd_job_build *b, const rwd_node *item) {
    rwd_job *job = b->job;
    char file[RWD_PATH_MAX];
    rwd_error why;
    rwd_error_clear(&why);
    const char *path = item->text;
    if (job->plugins.folder && !rwd_path_join(file, job->plugins.folder, rwd_path_name(item->text), b->err)) return rwd_place_error(b->err, b->file, item->place);
    job->plugins.files[job->plugins.file_count++] = rwd_strdup(item->text);
    if (rwd_plugins_load(job->plugins.loaded, path, job->plugins.folder ? file : path, &why)) return true;
    (void)rwd_build_fail(b, item->place, "plugins.files: %s", why.cause);
    return rwd_error_next(b->err, "%s", why.next);
}

static rwd_code call_function(const void *context, const rwd_value *args, rwd_arena *strings, rwd_value *out) {
    return rwd_plugin_function_call(context, args, strings, out);
}

_Static_assert(RWD_EXPR_EXTERN_ARGS_MAX == REWIND_ARGUMENTS_MAX, "a function of a plugin is one of an expression");

static void offer_functions(rwd_job *job) {
    size_t count = 0;
    for (size_t i = 0; i < rwd_plugins_count(job->plugins.loaded); i++) count += rwd_plugins_at(job->plugins.loaded, i)->function_count;
    job->plugins.functions = rwd_calloc(count + 1, sizeof *job->plugins.functions);
    for (size_t i = 0; i < rwd_plugins_count(job->plugins.loaded); i++) {
        const rwd_plugin_facts *facts = rwd_plugins_at(job->plugins.loaded, i);
        for (size_t f = 0; f < facts->function_count; f++) {
            const rwd_plugin_function *theirs = &facts->functions[f];
            rwd_expr_extern *ours = &job->plugins.functions[job->plugins.function_count++];
            *ours = (rwd_expr_extern){.name = theirs->name, .arg_count = theirs->arg_count, .call = call_function, .context = theirs};
            for (uint32_t a = 0; a < theirs->arg_count; a++) {
                ours->args[a].type = theirs->args[a].type;
                ours->args[a].scale = theirs->args[a].scale;
            }
            ours->result.type = theirs->result.type;
            ours->result.scale = theirs->result.scale;
        }
    }
}

bool rwd_build_plugins(rwd_job_build *b) {
    rwd_job *job = b->job;
    const rwd_node *files = rwd_node_find(b->root, "plugins.files");
    if (!files) return true;
    job->plugins.files = rwd_calloc(files->count, sizeof *job->plugins.files);
    if (!rwd_plugins_new(job->plugins.timeout_ns, &job->plugins.loaded, b->err)) return false;
    for (const rwd_node *item = files->first; item; item = item->next)
        if (!load(b, item)) return false;
    offer_functions(job);
    return true;
}

// ---- the decoder

static size_t decoder_names(const rwd_job *job, rwd_arena *arena, const char **out) {
    size_t count = 0;
    for (size_t i = 0; i < rwd_plugins_count(job->plugins.loaded); i++) {
        const rwd_plugin_facts *facts = rwd_plugins_at(job->plugins.loaded, i);
        for (size_t d = 0; d < facts->decoder_count && count < NAMES_MAX; d++) {
            size_t size = strlen(facts->name) + strlen(facts->decoders[d].name) + 2;
            char *name = rwd_arena_alloc(arena, size);
            (void)snprintf(name, size, "%s.%s", facts->name, facts->decoders[d].name);
            out[count++] = name;
        }
    }
    return count;
}

static bool unknown_decoder(rwd_job_build *b, rwd_place place, const char *word) {
    const char **names = rwd_calloc(NAMES_MAX, sizeof *names);
    char shown[RWD_EXCERPT_MAX];
    size_t count = decoder_names(b->job, &b->arena, names);
    const char *nearest = rwd_nearest(word, names, count);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_excerpt(word, shown);
    if (nearest) (void)rwd_build_fail(b, place, "source.plugin.decoder: unknown decoder \"%s\"; did you mean \"%s\"?", shown, nearest);
    else if (count > 0) (void)rwd_build_fail(b, place, "source.plugin.decoder: unknown decoder \"%s\"; the plugins have: %s", shown, rwd_buf_cstr(&list));
    else (void)rwd_build_fail(b, place, "source.plugin.decoder: unknown decoder \"%s\": no plugin of this job has decoders; name its file under plugins.files", shown);
    rwd_buf_deinit(&list);
    free(names);
    return false;
}

bool rwd_build_decoder(rwd_job_build *b) {
    const rwd_node *decoder = rwd_node_find(b->root, "source.plugin.decoder");
    if (!decoder)
        return rwd_build_fail(b, rwd_node_find(b->root, "source.format")->place, "source.plugin is missing; for example plugin: {decoder: shop.order}");
    return rwd_plugins_has_decoder(b->job->plugins.loaded, b->job->source.decoder) || unknown_decoder(b, decoder->place, b->job->source.decoder);
}
