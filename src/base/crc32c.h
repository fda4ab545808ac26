/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C (Castagnoli, as in iSCSI, ext4 and SSE4.2): the processor's instruction where there is one, else a table.
 */
#ifndef FL_BASE_CRC32C_H
#define FL_BASE_CRC32C_H

#include "base/base.h"

/* The checksum of what crc is the checksum of, followed by length bytes. That of nothing is 0. */
uint32_t fl_crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same without the processor's help. */
uint32_t fl_crc32c_by_table(uint32_t crc, const void *bytes, size_t length);

#endif
