/** quote writes a text as a string of the filter language and of PromQL, in double quotes. */
export function quote(value: string): string {
  return `"${escapeFor('"', value)}"`;
}

/** escapeFor escapes a text for a string in the given quotes. Backquotes know no escapes, so undefined says that it cannot be. */
export function escapeFor(quoteChar: string, value: string): string | undefined {
  if (quoteChar === '`') {
    return value.includes('`') ? undefined : value;
  }
  const escaped = value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  return escaped.split(quoteChar).join('\\' + quoteChar);
}

/** escapeRegex makes of a text a regular expression that matches nothing else, as RE2 reads it. */
export function escapeRegex(value: string): string {
  return value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

const escapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** unquote reads the inside of a string with Go's escapes. What is no escape is left as it stands. */
export function unquote(quoteChar: string, inside: string): string {
  if (quoteChar === '`') {
    return inside;
  }
  return inside.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs,
    (all, x, u, long, octal, c) => {
      if (c !== undefined) {
        return escapes[c] ?? all;
      }
      const code = octal !== undefined ? parseInt(octal, 8) : parseInt(x ?? u ?? long, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    }
  );
}
