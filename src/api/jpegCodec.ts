import { brotliDecompressSync } from "node:zlib";
import packed from "@cornerstonejs/codec-libjpeg-turbo-8bit/wasm";
import openCodec, { type JPEGEncoder } from "@cornerstonejs/codec-libjpeg-turbo-8bit/wasmjs";
import type { JpegRequest } from "./jpeg.ts";

/** Colours at full resolution, and at half of it in both directions. */
const [fullColour, halfColour] = [0, 2];
/** From this quality on, as with ImageMagick. */
const fullColourQuality = 90;

let encoder: Promise<JPEGEncoder> | undefined;

async function open(): Promise<JPEGEncoder> {
  const { JPEGEncoder } = await openCodec({ wasmBinary: brotliDecompressSync(packed) });
  return new JPEGEncoder();
}

/** A picture of pixels as a JPEG. */
export async function encodeJpeg(request: Omit<JpegRequest, "id">): Promise<JpegBytes> {
  encoder ??= open();
  try {
    return encode(await encoder, request);
  } catch (error) {
    // Nobody knows what its memory holds after a failure.
    encoder = undefined;
    throw error;
  }
}

function encode(codec: JPEGEncoder, { width, height, data, quality }: Omit<JpegRequest, "id">): JpegBytes {
  const subSampling = quality < fullColourQuality ? halfColour : fullColour;
  const bitsPerSample = 8 * roomFactor(width, height, subSampling === fullColour ? 6 : 3);
  const room = codec.getDecodedBuffer({ width, height, bitsPerSample, componentCount: 3, isSigned: false });
  for (let from = 0, to = 0; from < 4 * width * height; from += 4, to += 3) {
    room[to] = data[from] ?? 0;
    room[to + 1] = data[from + 1] ?? 0;
    room[to + 2] = data[from + 2] ?? 0;
  }
  codec.setProgressive(0);
  codec.setQuality(quality);
  codec.setSubSampling(subSampling);
  codec.encode();
  return codec.getEncodedBuffer();
}

export type JpegBytes = ReturnType<JPEGEncoder["getEncodedBuffer"]>;

/**
 * The codec gives a picture as much room as its pixels have, and writes beyond it when it needs more, as it does for
 * noise of a high quality. So it is told of larger pixels, as many times as libjpeg-turbo could ever need; what it reads
 * are their first parts.
 */
function roomFactor(width: number, height: number, mostPerPixel: number): number {
  const most = mostPerPixel * (width + 15) * (height + 15) + 2048;
  return Math.min(31, Math.ceil(most / (3 * width * height)));
}
