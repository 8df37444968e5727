// A peer of tp2 in Node: its own http in front, sharp (libvips) behind, as those who know them write it.
//
//     node node_sharp.mjs PORT KERNEL [PROCESSES]
//
// POST / with a JPEG as the body and ?escala=F: the gray JPEG of quality 85, scaled. On 127.0.0.1, until killed.
//
// KERNEL: `sharp`, scaled in colour and turned gray on the way out, which is less work; or `sharp-grayscale`, which calls
// grayscale() as most would: libvips then does it first, at full size, in linear light. At exactly one half sharp never
// shrinks while it decodes, whatever fastShrinkOnLoad says (pipeline.cc: not by the whole factor); for a quarter it decodes at
// a half, for a tenth at an eighth. PROCESSES: as many as there are cores, a cluster; or 1, pictures side by side in libuv's
// threads, of which UV_THREADPOOL_SIZE gives the number (a fifth to three quarters slower, as measured).
import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const [port, kernel, processes = String(os.availableParallelism())] = process.argv.slice(2);

if (cluster.isPrimary && processes !== '1') {
  for (let n = 0; n < Number(processes); n++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  // NODE_PATH is where scripts/bench has installed it.
  const sharp = createRequire(path.join(process.env.NODE_PATH, 'x'))('sharp');
  // One thread for a picture, because there are other pictures; nothing is asked for twice.
  sharp.concurrency(1);
  sharp.cache(false);

  const scale = async (body, factor) => {
    const image = sharp(body);
    const { width, height } = await image.metadata();
    const size = [width, height].map((side) => Math.max(1, Math.trunc(side * factor)));
    if (kernel === 'sharp-grayscale') image.grayscale();
    return image
      .resize(...size, { fit: 'fill', kernel: 'cubic' })
      .toColourspace('b-w')
      .jpeg({ quality: 85 })
      .toBuffer();
  };

  http
    .createServer((request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', async () => {
        try {
          const factor = Number(new URL(request.url, 'http://x').searchParams.get('escala') ?? 0.5);
          const file = await scale(Buffer.concat(chunks), factor);
          response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': file.length });
          response.end(file);
        } catch (error) {
          response.writeHead(422, { 'Content-Type': 'text/plain' });
          response.end(String(error));
        }
      });
    })
    .listen(Number(port), '127.0.0.1', 1024);
}
