// The digest of a checkpoint's tables, stored beside them: file `tables.digest`.
//
//   bytes 0-7    magic "RWDDIGST"
//   8-11         version, little-endian (1)
//   12-15        number of tables n
//   then         n times 8 bytes: keys of table i
//   then         4096 times 16 bytes: the buckets, canonical (high half first, big-endian)
//   last 4       CRC32C of all before
//
// Thread: any; the caller is alone with the file.
#ifndef STATE_DIGEST_FILE_PRIVATE_H
#define STATE_DIGEST_FILE_PRIVATE_H

#include "state/digest.h"

#define RWD_DIGEST_FILE "tables.digest"

// `dir` is the checkpoint's folder. The file must not exist; it is not synced.
RWD_MUST bool rwd_digest_file_write(const char *dir, const rwd_digest *digest, const uint64_t keys[], size_t tables,
                                    rwd_error *err);
RWD_MUST bool rwd_digest_file_read(const char *dir, rwd_digest *out, uint64_t out_keys[RWD_TABLES_MAX], size_t *out_tables,
                                   rwd_error *err);

#endif
