/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small files of /proc and /sys, and sizes as people write them.
 */
#ifndef FL_CLI_TEXT_H
#define FL_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The first line of a file without its newline, cut to length. False when it cannot be read; the line is empty then. */
bool fl_file_line(const char *path, char *line, size_t length);

/* The number that a file begins with. False when there is none: a limit called "max", or no such file. */
bool fl_file_number(const char *path, uint64_t *number);

/* The number behind a name such as "CommitLimit:" that begins a line. */
bool fl_file_field(const char *path, const char *name, uint64_t *number);

/* Write a file of /proc or /sys in one call. 0 or -errno. */
int fl_file_write(const char *path, const char *text);

/* The word in brackets, which is how /sys marks the choice in force: "always [madvise] never". Empty without one. */
void fl_file_choice(const char *path, char *word, size_t length);

#define FL_SIZE_LENGTH 32

/* Bytes as 4096, 64K, 2M, 1.5G into text of FL_SIZE_LENGTH, which is the result: exact below 1K, else to a tenth. */
const char *fl_size_print(uint64_t nbytes, char *text);

/* Bytes from a number with K, M, G, T or nothing behind it. False for anything else, and what is beyond 2^63. */
bool fl_size_parse(const char *text, uint64_t *nbytes);

/* As a string of JSON, in quotes. Names and paths may hold any byte; what is no UTF-8 is for the reader to cope with. */
void fl_json_write_string(const char *text, FILE *stream);

/* A decimal number and nothing else. */
bool fl_number_parse(const char *text, uint64_t *number);

#endif
