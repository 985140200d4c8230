/** Writes ZIP archives whose files are stored as they are (PNG files are compressed already). */

import { crc32 } from "./png.js";

const UTF_8_NAMES = 0x0800;
const VERSION = 20;
const FIRST_DAY = 0x21; // 1 January 1980, so that equal masks give equal archives

/**
 * @param {readonly {name: string, data: Uint8Array<ArrayBuffer>}[]} files
 * @returns {Uint8Array<ArrayBuffer>[]} the pieces of the archive
 */
export function writeZip(files) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const pieces = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const directory = [];
  let offset = 0;
  for (const { name, data } of files) {
    const text = new TextEncoder().encode(name);
    const about = [VERSION, 2, UTF_8_NAMES, 2, 0, 2, 0, 2, FIRST_DAY, 2, crc32(data), 4, data.length, 4];
    const sizes = [data.length, 4, text.length, 2, 0, 2];
    const local = numbers([0x04034b50, 4, ...about, ...sizes]);
    directory.push(
      numbers([0x02014b50, 4, VERSION, 2, ...about, ...sizes, 0, 2, 0, 2, 0, 2, 0, 4, offset, 4]),
      text,
    );
    pieces.push(local, text, data);
    offset += local.length + text.length + data.length;
  }
  const length = directory.reduce((sum, piece) => sum + piece.length, 0);
  const count = files.length;
  const end = numbers([0x06054b50, 4, 0, 2, 0, 2, count, 2, count, 2, length, 4, offset, 4, 0, 2]);
  return [...pieces, ...directory, end];
}

/** @param {readonly number[]} pairs value and number of bytes in turn; the lowest byte goes first */
function numbers(pairs) {
  const bytes = [];
  for (let i = 0; i < pairs.length; i += 2) {
    for (let byte = 0; byte < pairs[i + 1]; byte++) bytes.push(Math.floor(pairs[i] / 256 ** byte) & 255);
  }
  return Uint8Array.from(bytes);
}
