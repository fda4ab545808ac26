#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves what postgresql.sh proves, with a minute of transactions.
transactions=15000 exec "${top_srcdir:=.}/test/programs/postgresql.sh"
