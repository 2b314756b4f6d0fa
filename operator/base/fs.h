// Paths and folders: what needs no fault injection. Durable writes go through checkpoints/io.
//
// Thread: any.
#ifndef OPERATOR_BASE_FS_H
#define OPERATOR_BASE_FS_H

#include "operator/base/bytes.h"

#define RWD_PATH_MAX 4096

// Joins with one '/', into `out`; too long is an error.
RWD_MUST bool rwd_path_join(char out[RWD_PATH_MAX], const char *dir, const char *name, rwd_error *err);
// The folder that holds `path` ("." if none), and its last part. *borrows* from `path` for the name.
void rwd_path_dir(char out[RWD_PATH_MAX], const char *path);
const char *rwd_path_name(const char *path);

bool rwd_path_exists(const char *path);
RWD_MUST bool rwd_mkdirs(const char *path, rwd_error *err);  // with parents, 0700; existing is fine
// Removes a folder and all in it. Refuses "/" and symlinked roots; a path that is absent is fine.
RWD_MUST bool rwd_remove_tree(const char *path, rwd_error *err);
// Reads a whole file of at most `limit` bytes, appending to `out`.
RWD_MUST bool rwd_read_file(const char *path, size_t limit, rwd_buf *out, rwd_error *err);
// Names in a folder, sorted by bytes, without "." and "..". *gives*: free with rwd_names_free.
RWD_MUST bool rwd_list_dir(const char *path, char ***out_names, size_t *out_count, rwd_error *err);
void rwd_names_free(char **names, size_t count);
// Bytes free to us on the file system that holds `path`.
RWD_MUST bool rwd_disk_free(const char *path, uint64_t *out_bytes, rwd_error *err);
// The name of the network file system that holds `path` ("nfs", "cifs", ...), or NULL for a local one (statfs f_type).
const char *rwd_network_fs(const char *path);

#endif
