#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unit and api tests run clean under the address sanitizer.

sanitizer=address
. "$top_srcdir/test/clean/sanitized.sh"
