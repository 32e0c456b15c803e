/** An ASCII constant as bytes, for comparing keys where they lie. */
export function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Whether the bytes at `offset` are `constant`. The caller has already compared the lengths. */
export function isAt(bytes: Uint8Array, offset: number, constant: Uint8Array): boolean {
  for (let i = 0; i < constant.length; i++) if (bytes[offset + i] !== constant[i]) return false;
  return true;
}
