#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves what redis.sh proves, with a minute of requests.
requests=200000 exec "${top_srcdir:=.}/test/programs/redis.sh"
