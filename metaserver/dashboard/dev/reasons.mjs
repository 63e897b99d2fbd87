// What the server says with a code; the sentence is only for who does not know the code.

export const why = (code, params = {}, message = code.replaceAll("_", " ")) => ({ code, params, message });
