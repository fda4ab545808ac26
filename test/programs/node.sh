#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that node does the same under the preload as without: buffers, compression and hashing in its thread pool, worker
# threads that come and go, child processes.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need node nodejs
prove_preloaded node -e 0 || exit 1
cat >"$scratch/work.js" <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib'), { execFile } = require('child_process');
const { promisify } = require('util');
const digest = data => crypto.createHash('sha256').update(data).digest('hex');

if (!isMainThread) {
    const table = new Map();
    for (let i = 0; i < 20000; i++) table.set('key' + (i * 7919 % 5003), Buffer.alloc(i % 700, i));
    parentPort.postMessage(workerData + ' ' + digest(Buffer.concat([...table.values()])));
} else (async () => {
    const object = {};
    for (let i = 0; i < 50000; i++) object['k' + i] = { text: 'x'.repeat(i % 50), list: [i, i + 1, i + 2] };
    const text = JSON.stringify(object);
    console.log(text.length, digest(JSON.stringify(JSON.parse(text))));
    const packed = await Promise.all([1, 5, 9].map(level => promisify(zlib.gzip)(text, { level })));
    for (const data of packed) console.log(data.length, digest(await promisify(zlib.gunzip)(data)));
    const keys = await Promise.all([...Array(8).keys()].map(i => promisify(crypto.pbkdf2)('secret', 'salt' + i, 2000, 64, 'sha512')));
    console.log(digest(Buffer.concat(keys)));
    for (let round = 0; round < 2; round++)
        console.log((await Promise.all([...Array(4).keys()].map(i => new Promise((resolve, reject) => {
            const worker = new Worker(__filename, { workerData: i });
            worker.once('message', resolve); worker.once('error', reject);
        })))).join('\n'));
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', 'console.log(Buffer.alloc(1e7, 1).reduce((a, b) => a + b))']);
    console.log(stdout.trim());
    const chunks = [];
    for (let i = 0; i < 3000; i++) chunks.push(Buffer.allocUnsafe(20000).fill(i));
    console.log(digest(Buffer.concat(chunks)));
})();
END
same node "$scratch/work.js"
