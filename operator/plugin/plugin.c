// Loading plugins (plugin.h): the only door to dlfcn.h.
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/plugin/plugin_private.h"

#define SYMBOL "rewind_plugin_v1"

typedef struct plugin {
    rwd_plugin_facts facts;
    rwd_buf file;
    int fd;           // of the copy; open as long as it is loaded, since its name is the number
    void *handle;
    char *title;      // "plugin shop (./shop.so)"
    rewind_plugin it;
    rewind_decoder decoders[RWD_PLUGIN_ENTRIES_MAX];
    rwd_aggregate aggregates[RWD_PLUGIN_ENTRIES_MAX];
    rwd_plugin_aggregate contexts[RWD_PLUGIN_ENTRIES_MAX];
    rwd_plugin_function functions[RWD_PLUGIN_ENTRIES_MAX];
} plugin;

struct rwd_plugins {
    plugin *loaded[RWD_PLUGINS_MAX];
    size_t count;
    rwd_minder *minder;
};

bool rwd_plugins_new(int64_t timeout_ns, rwd_plugins **out, rwd_error *err) {
    rwd_plugins *self = rwd_calloc(1, sizeof *self);
    if (rwd_minder_start(self, timeout_ns, &self->minder, err)) {
        *out = self;
        return true;
    }
    free(self);
    return false;
}

static void plugin_free(plugin *p) {
    for (size_t i = 0; i < RWD_PLUGIN_ENTRIES_MAX; i++) rwd_plugin_aggregate_deinit(&p->contexts[i]);
    for (size_t i = 0; i < RWD_PLUGIN_ENTRIES_MAX; i++) rwd_plugin_function_deinit(&p->functions[i]);
    if (p->handle) (void)dlclose(p->handle);
    if (p->fd >= 0) (void)close(p->fd);
    rwd_buf_deinit(&p->file);
    free((char *)(uintptr_t)p->facts.path);
    free(p->title);
    free(p);
}

void rwd_plugins_free(rwd_plugins *self) {
    if (!self) return;
    rwd_minder_stop(self->minder);
    for (size_t i = 0; i < self->count; i++) plugin_free(self->loaded[i]);
    free(self);
}

// ---- the file

static bool write_all(int fd, rwd_slice bytes) {
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes = rwd_slice_of(bytes.data + written, bytes.size - (size_t)written);
    }
    return true;
}

static bool copy_file(plugin *p, const char *file, rwd_error *err) {
    if (!rwd_path_exists(file)) return rwd_fail(err, RWD_E_CONFIG, "there is no such file: %s", file);
    if (!rwd_read_file(file, RWD_PLUGIN_BYTES_MAX, &p->file, err)) return false;
    p->facts.bytes = rwd_buf_slice(&p->file);
    p->facts.hash = rwd_hash128_of(p->file.data, p->file.size, 0);
    p->fd = memfd_create(rwd_path_name(file), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (p->fd < 0 || !write_all(p->fd, p->facts.bytes)) return rwd_fail_errno(err, errno, "cannot copy %s to memory", file);
    if (fcntl(p->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) != 0) return rwd_fail_errno(err, errno, "cannot seal the copy of %s", file);
    return true;
}

// What the loader says, without the copy's name.
static bool not_loaded(const plugin *p, const char *copy, rwd_error *err) {
    const char *why = dlerror();
    size_t size = strlen(copy);
    if (why && strncmp(why, copy, size) == 0) why += size + strspn(why + size, ": ");
    return rwd_fail(err, RWD_E_CONFIG, "%s is no plugin that can be loaded here: %s", p->facts.path, why ? why : "the loader does not say why");
}

static bool load_copy(const rwd_plugins *self, plugin *p, rwd_error *err) {
    char copy[64];
    (void)snprintf(copy, sizeof copy, "/proc/self/fd/%d", p->fd);
    rwd_guard *guard = rwd_guard_enter(self, p->title, "dlopen", -1);  // its constructors run
    p->handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    rwd_guard_leave(guard);
    return p->handle || not_loaded(p, copy, err);
}

// ---- its tables

static bool ask(const rwd_plugins *self, plugin *p, rwd_error *err) {
    void *symbol = dlsym(p->handle, SYMBOL);
    const rewind_plugin *(*entry)(void);
    if (!symbol) {
        rwd_fail(err, RWD_E_CONFIG, "%s is no plugin of Rewind: it does not export " SYMBOL, p->facts.path);
        return rwd_error_next(err, "declare it as in rewind_plugin.h: REWIND_PLUGIN_EXPORT const rewind_plugin *" SYMBOL "(void)");
    }
    memcpy(&entry, &symbol, sizeof entry);
    rwd_guard *guard = rwd_guard_enter(self, p->title, SYMBOL, -1);
    const rewind_plugin *theirs = entry();
    if (theirs && theirs->size >= sizeof theirs->size) memcpy(&p->it, theirs, theirs->size < sizeof p->it ? theirs->size : sizeof p->it);
    rwd_guard_leave(guard);
    if (!rwd_plugin_is_name(p->it.name))
        return rwd_fail(err, RWD_E_CONFIG, "%s: a plugin's name has lower-case letters, digits and _, and begins with a letter", p->facts.path);
    return true;
}

static bool take_decoders(plugin *p, rwd_error *err) {
    for (const rewind_decoder *const *at = p->it.decoders; at && *at; at++) {
        if (p->facts.decoder_count == RWD_PLUGIN_ENTRIES_MAX) return rwd_fail(err, RWD_E_CONFIG, "%s: more than %d decoders", p->title, RWD_PLUGIN_ENTRIES_MAX);
        rewind_decoder *d = &p->decoders[p->facts.decoder_count];
        memcpy(d, *at, (*at)->size < sizeof *d ? (*at)->size : sizeof *d);
        if (!rwd_plugin_is_name(d->name)) return rwd_fail(err, RWD_E_CONFIG, "%s: a decoder's name has lower-case letters, digits and _", p->title);
        if (!d->decode) return rwd_fail(err, RWD_E_CONFIG, "%s: decoder %s has no decode", p->title, d->name);
        for (size_t i = 0; i < p->facts.decoder_count; i++)
            if (strcmp(p->decoders[i].name, d->name) == 0) return rwd_fail(err, RWD_E_CONFIG, "%s: two decoders are named %s", p->title, d->name);
        p->facts.decoder_count++;
    }
    return true;
}

static bool take_aggregates(const rwd_plugins *self, plugin *p, rwd_error *err) {
    for (const rewind_aggregate *const *at = p->it.aggregates; at && *at; at++) {
        size_t count = p->facts.aggregate_count;
        if (count == RWD_PLUGIN_ENTRIES_MAX) return rwd_fail(err, RWD_E_CONFIG, "%s: more than %d aggregates", p->title, RWD_PLUGIN_ENTRIES_MAX);
        if (!rwd_plugin_aggregate_init(*at, self, p->title, p->it.name, &p->contexts[count], &p->aggregates[count], err)) return false;
        for (size_t i = 0; i < count; i++)
            if (strcmp(p->aggregates[i].name, p->aggregates[count].name) == 0)
                return rwd_fail(err, RWD_E_CONFIG, "%s: two aggregates are named %s", p->title, p->aggregates[i].name);
        p->facts.aggregate_count++;
    }
    return true;
}

static bool take_functions(const rwd_plugins *self, plugin *p, rwd_error *err) {
    for (const rewind_function *const *at = p->it.functions; at && *at; at++) {
        size_t count = p->facts.function_count;
        if (count == RWD_PLUGIN_ENTRIES_MAX) return rwd_fail(err, RWD_E_CONFIG, "%s: more than %d functions", p->title, RWD_PLUGIN_ENTRIES_MAX);
        if (!rwd_plugin_function_init(*at, self, p->title, p->it.name, &p->functions[count], err)) return false;
        p->facts.function_count++;
        for (size_t i = 0; i < count; i++)
            if (strcmp(p->functions[i].name, p->functions[count].name) == 0)
                return rwd_fail(err, RWD_E_CONFIG, "%s: two functions are named %s", p->title, p->functions[i].name);
    }
    return true;
}

// What is in the tables is read inside a call, since reading them may crash.
static bool take_tables(const rwd_plugins *self, plugin *p, rwd_error *err) {
    rwd_guard *guard = rwd_guard_enter(self, p->title, SYMBOL, -1);
    bool good = take_decoders(p, err) && take_aggregates(self, p, err) && take_functions(self, p, err);
    rwd_guard_leave(guard);
    p->facts.name = p->it.name;
    p->facts.doc = p->it.doc ? p->it.doc : "";
    p->facts.version = p->it.version;
    p->facts.decoders = p->decoders;
    p->facts.aggregates = p->aggregates;
    p->facts.functions = p->functions;
    return good;
}

static bool is_new(const rwd_plugins *self, const plugin *p, rwd_error *err) {
    for (size_t i = 0; i < self->count; i++) {
        const rwd_plugin_facts *other = &self->loaded[i]->facts;
        if (strcmp(other->name, p->it.name) == 0) return rwd_fail(err, RWD_E_CONFIG, "%s and %s are both named %s", other->path, p->facts.path, other->name);
        if (strcmp(rwd_path_name(other->path), rwd_path_name(p->facts.path)) == 0)
            return rwd_fail(err, RWD_E_CONFIG, "%s and %s have the same file name, and are kept by it", other->path, p->facts.path);
    }
    return true;
}

static void make_title(plugin *p, const char *name) {
    rwd_buf title = {0};
    rwd_buf_append_str(&title, "plugin ");
    if (name) rwd_buf_appendf(&title, "%s (%s)", name, p->facts.path);
    else rwd_buf_append_str(&title, p->facts.path);
    free(p->title);
    p->title = rwd_strdup(rwd_buf_cstr(&title));
    rwd_buf_deinit(&title);
}

static bool load(const rwd_plugins *self, plugin *p, const char *file, rwd_error *err) {
    if (!copy_file(p, file, err)) return false;
    make_title(p, NULL);
    if (!load_copy(self, p, err) || !ask(self, p, err) || !is_new(self, p, err)) return false;
    make_title(p, p->it.name);
    return take_tables(self, p, err);
}

bool rwd_plugins_load(rwd_plugins *self, const char *path, const char *file, rwd_error *err) {
    if (self->count == RWD_PLUGINS_MAX) return rwd_fail(err, RWD_E_CONFIG, "a job has at most %d plugins", RWD_PLUGINS_MAX);
    plugin *p = rwd_calloc(1, sizeof *p);
    p->fd = -1;
    p->facts.path = rwd_strdup(path);
    if (load(self, p, file, err)) {
        self->loaded[self->count++] = p;
        return true;
    }
    plugin_free(p);
    return false;
}

// ---- what there is

size_t rwd_plugins_count(const rwd_plugins *self) { return self ? self->count : 0; }

const rwd_plugin_facts *rwd_plugins_at(const rwd_plugins *self, size_t index) {
    assert(index < self->count);
    return &self->loaded[index]->facts;
}

const rwd_aggregate *rwd_plugins_aggregate(const rwd_plugins *self, const char *name) {
    for (size_t i = 0; i < rwd_plugins_count(self); i++) {
        const rwd_plugin_facts *facts = &self->loaded[i]->facts;
        for (size_t a = 0; a < facts->aggregate_count; a++)
            if (strcmp(facts->aggregates[a].name, name) == 0) return &facts->aggregates[a];
    }
    return NULL;
}

static const rewind_decoder *find_decoder(const rwd_plugins *self, const char *name, const plugin **out_plugin) {
    for (size_t i = 0; i < rwd_plugins_count(self); i++) {
        const plugin *p = self->loaded[i];
        size_t size = strlen(p->it.name);
        if (strncmp(name, p->it.name, size) != 0 || name[size] != '.') continue;
        *out_plugin = p;
        for (size_t d = 0; d < p->facts.decoder_count; d++)
            if (strcmp(p->decoders[d].name, name + size + 1) == 0) return &p->decoders[d];
    }
    return NULL;
}

bool rwd_plugins_has_decoder(const rwd_plugins *self, const char *name) {
    const plugin *p;
    return find_decoder(self, name, &p) != NULL;
}

const rewind_decoder *rwd_plugins_decoder(const rwd_plugins *self, const char *name, const char **out_title) {
    const plugin *p = NULL;
    const rewind_decoder *found = find_decoder(self, name, &p);
    if (found) *out_title = p->title;
    return found;
}
