// Colours of ours, by the word a caption uses for them; the package draws in
// black on white. Any two of a list are told apart at 64x64.

export const hair = {
  black: "23232b", brown: "6f4326", blond: "ecc45c", red: "b5301f", orange: "e07b28", gray: "949aa3",
  white: "f6f3ec", blue: "2f67d8", pink: "ee6aa7", green: "3b9a50", purple: "7a46c0",
};

// How often each is drawn, natural ones more often.
export const hairWeight = {
  black: 4, brown: 4, blond: 4, red: 3, orange: 2, gray: 2, white: 1.5, blue: 1.5, pink: 1.5, green: 1.5, purple: 1.5,
};

export const skin = {
  pale: "ffe3d0", light: "f4c7a1", tan: "dda273", brown: "b0713f", dark: "7d4a2a",
};

export const background = {
  white: "fbfbf9", gray: "c3c7cd", blue: "9fcdf3", green: "b2e2bb", yellow: "fae694", pink: "f8c4d6",
  purple: "cfbdf0", orange: "f9bf8a", teal: "79ccc6",
};

export const eyes = { black: "16161c", brown: "5a3013", blue: "1f6fd0", green: "1f8f4a" };

export const mouth = { pink: "c94a62", red: "b3202c", brown: "7a2f22" };

export const glasses = { black: "1c1c22", red: "c22a2a", blue: "1c4fb0", gold: "b8860b" };

export const earrings = { gold: "e0a90f", silver: "8d97a5", red: "c81e2f", blue: "2257c9" };

export const flowers = { white: "8d97a5", pink: "d6347e", yellow: "d39a00", purple: "6b32b8" };

// darker scales a colour towards black: brows, noses and freckles.
export function darker(hex, factor) {
  return [0, 2, 4]
    .map((i) => Math.round(parseInt(hex.slice(i, i + 2), 16) * factor).toString(16).padStart(2, "0"))
    .join("");
}
