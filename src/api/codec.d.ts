/** What is used here of a package that has no types. */
declare module "@cornerstonejs/codec-libjpeg-turbo-8bit/wasmjs" {
  export interface JPEGEncoder {
    getDecodedBuffer(frame: {
      width: number;
      height: number;
      bitsPerSample: number;
      componentCount: number;
      isSigned: boolean;
    }): Uint8Array;
    setProgressive(progressive: number): void;
    setQuality(quality: number): void;
    setSubSampling(subSampling: number): void;
    encode(): void;
    /** A copy. */
    getEncodedBuffer(): Uint8ClampedArray<ArrayBuffer>;
  }
  export interface JPEGDecoder {
    getEncodedBuffer(length: number): Uint8Array;
    decode(): void;
    getDecodedBuffer(): Uint8Array;
    getFrameInfo(): { width: number; height: number; componentCount: number };
  }
  export default function open(options: {
    wasmBinary: Uint8Array;
  }): Promise<{ JPEGEncoder: new () => JPEGEncoder; JPEGDecoder: new () => JPEGDecoder }>;
}

declare module "@cornerstonejs/codec-libjpeg-turbo-8bit/wasm" {
  /** Put in by the build, packed by Brotli. */
  const bytes: Uint8Array;
  export default bytes;
}
