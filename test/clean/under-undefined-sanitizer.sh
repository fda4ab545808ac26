#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unit and api tests run clean under the undefined sanitizer.

sanitizer=undefined
. "$top_srcdir/test/clean/sanitized.sh"
