#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves what python.sh proves, with those of Python's tests that take longer: threads and child processes.
modules="test_threading test_subprocess" exec "${top_srcdir:=.}/test/programs/python.sh"
