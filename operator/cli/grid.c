// Aligned columns.
#include "operator/cli/grid.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define GAP "  "
#define CELL_BYTES_MAX 512

void rwd_grid_init(rwd_grid *grid) { *grid = (rwd_grid){0}; }

void rwd_grid_deinit(rwd_grid *grid) { rwd_buf_deinit(&grid->cells); }

// Characters of UTF-8 text: bytes that do not continue one. (Wide and combining characters are not told apart.)
static size_t shown(const char *text) {
    size_t count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static void put_cell(rwd_grid *grid, size_t column, rwd_slice text) {
    char cell[CELL_BYTES_MAX];
    size_t size = 0, characters = 0;
    bool valid = rwd_utf8_valid(text), cut = false, last = column + 1 == grid->columns;
    for (size_t i = 0; i < text.size && !cut; i++) {
        uint8_t byte = text.data[i];
        characters += (byte & 0xC0) != 0x80;
        cut = (characters > RWD_GRID_CELL_MAX - 3 && !last) || size + 8 > sizeof(cell);
        if (!cut) cell[size++] = byte < 0x20 || byte == 0x7F || (!valid && byte >= 0x80) ? '?' : (char)byte;
    }
    if (cut) {
        memcpy(cell + size, "...", 3);
        size += 3;
    }
    cell[size] = '\0';
    size_t width = shown(cell);
    if (width > grid->width[column]) grid->width[column] = width;
    rwd_buf_append(&grid->cells, cell, size + 1);
    grid->cell_count++;
}

void rwd_grid_column(rwd_grid *grid, const char *title, bool right) {
    assert(grid->cell_count == grid->columns && grid->columns < RWD_GRID_COLUMNS_MAX);
    grid->right[grid->columns] = right;
    put_cell(grid, grid->columns++, rwd_slice_str(title));
}

void rwd_grid_cell(rwd_grid *grid, rwd_slice text) {
    assert(grid->columns > 0);
    put_cell(grid, grid->cell_count % grid->columns, text);
}

void rwd_grid_text(rwd_grid *grid, const char *text) { rwd_grid_cell(grid, rwd_slice_str(text)); }

void rwd_grid_int(rwd_grid *grid, int64_t value) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    rwd_grid_text(grid, text);
}

size_t rwd_grid_rows(const rwd_grid *grid) { return grid->columns ? grid->cell_count / grid->columns : 0; }

static void pad(rwd_buf *out, size_t count) {
    while (count-- > 0) rwd_buf_append_char(out, ' ');
}

static void end_line(rwd_buf *out) {
    while (out->size > 0 && out->data[out->size - 1] == ' ') out->size--;
    rwd_buf_append_char(out, '\n');
}

void rwd_grid_flush(rwd_grid *grid, rwd_buf *out) {
    const char *cell = (const char *)grid->cells.data;
    for (size_t i = 0; i < grid->cell_count; i++) {
        size_t column = i % grid->columns, fill = grid->width[column] - shown(cell);
        bool last = column + 1 == grid->columns;
        if (grid->right[column]) pad(out, fill);
        rwd_buf_append_str(out, cell);
        if (!grid->right[column] && !last) pad(out, fill);
        if (!last) rwd_buf_append_str(out, GAP);
        else end_line(out);
        cell += strlen(cell) + 1;
    }
    rwd_buf_clear(&grid->cells);
    // Later rows go on in column 0.
    grid->cell_count = 0;
}

void rwd_age_text(int64_t then_us, int64_t now_us, rwd_buf *out) {
    int64_t s = (now_us - then_us) / 1000000;
    if (now_us < then_us) rwd_buf_append_str(out, "in the future");
    else if (s < 120) rwd_buf_appendf(out, "%" PRId64 " s", s);
    else if (s < 2 * 3600) rwd_buf_appendf(out, "%" PRId64 " min", s / 60);
    else if (s < 2 * 86400) rwd_buf_appendf(out, "%" PRId64 " h", s / 3600);
    else rwd_buf_appendf(out, "%" PRId64 " d", s / 86400);
}
