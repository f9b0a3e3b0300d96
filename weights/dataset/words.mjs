// What every piece of the Lorelei drawings looks like, in words that can be
// seen in a 64x64 picture, written from the contact sheets (build.mjs
// --contact-sheet). Captions use no other words for shapes than these.

// hair[variant]: what can be told apart; caption.mjs puts it into phrases.
// prettier-ignore
export const hair = {
  variant01: { length: "short", shape: "straight", style: "neat" },
  variant02: { length: "short", shape: "wavy", style: "messy" },
  variant03: { length: "short", shape: "wavy", style: "swept up" },
  variant04: { length: "short", shape: "spiky", style: "messy" },
  variant05: { length: "short", shape: "curly", style: "big" },
  variant06: { length: "short", shape: "straight", style: "fringe" },
  variant07: { length: "short", shape: "straight", style: "fringe" },
  variant08: { length: "short", shape: "straight", style: "swept up" },
  variant09: { length: "short", shape: "curly", style: "neat" },
  variant10: { length: "medium", shape: "wavy", style: "fringe" },
  variant11: { length: "short", shape: "straight", style: "fringe" },
  variant12: { length: "short", shape: "straight", style: "swept over" },
  variant13: { length: "medium", shape: "wavy", style: "fringe" },
  variant14: { length: "medium", shape: "straight", style: "bun and fringe" },
  variant15: { length: "long", shape: "straight", style: "" },
  variant16: { length: "long", shape: "straight", style: "fringe" },
  variant17: { length: "medium", shape: "wavy", style: "swept over" },
  variant18: { length: "medium", shape: "wavy", style: "messy" },
  variant19: { length: "medium", shape: "straight", style: "fringe" },
  variant20: { length: "short", shape: "spiky", style: "messy" },
  variant21: { length: "long", shape: "straight", style: "" },
  variant22: { length: "short", shape: "curly", style: "swept up" },
  variant23: { length: "medium", shape: "straight", style: "fringe" },
  variant24: { length: "long", shape: "curly", style: "big" },
  variant25: { length: "receding", shape: "", style: "" },
  variant26: { length: "medium", shape: "straight", style: "two buns" },
  variant27: { length: "short", shape: "spiky", style: "mohawk" },
  variant28: { length: "shaved", shape: "", style: "" },
  variant29: { length: "medium", shape: "wavy", style: "low ponytail" },
  variant30: { length: "medium", shape: "straight", style: "pigtails and fringe" },
  variant31: { length: "long", shape: "wavy", style: "high ponytail" },
  variant32: { length: "medium", shape: "wavy", style: "" },
  variant33: { length: "long", shape: "straight", style: "high ponytail" },
  variant34: { length: "bald", shape: "", style: "" },
  variant35: { length: "long", shape: "wavy", style: "" },
  variant36: { length: "short", shape: "spiky", style: "high ponytail" },
  variant37: { length: "medium", shape: "wavy", style: "" },
  variant38: { length: "short", shape: "straight", style: "bun" },
  variant39: { length: "short", shape: "curly", style: "neat" },
  variant40: { length: "long", shape: "straight", style: "swept over" },
  variant41: { length: "long", shape: "straight", style: "messy" },
  variant42: { length: "long", shape: "wavy", style: "ponytail and fringe" },
  variant43: { length: "short", shape: "straight", style: "fringe" },
  variant44: { length: "short", shape: "curly", style: "messy" },
  variant45: { length: "long", shape: "straight", style: "messy bun" },
  variant46: { length: "medium", shape: "straight", style: "messy bun" },
  variant47: { length: "short", shape: "straight", style: "neat" },
  variant48: { length: "medium", shape: "straight", style: "pigtails and fringe" },
};

// mouth[variant]: one of the keys of mouthWords.
// prettier-ignore
export const mouth = {
  happy01: "smile", happy02: "smile", happy03: "smile", happy04: "smirk", happy05: "laugh",
  happy06: "laugh", happy07: "grin", happy08: "tongue", happy09: "tongue", happy10: "smirk",
  happy11: "pout", happy12: "open", happy13: "smile", happy14: "smile", happy15: "smirk",
  happy16: "grin", happy17: "pout", happy18: "lips",
  sad01: "open", sad02: "frown", sad03: "frown", sad04: "frown", sad05: "frown",
  sad06: "teeth", sad07: "teeth", sad08: "tongue", sad09: "serious",
};

// Each entry: adjectives that go before the noun, and phrases that go after "with".
export const mouthWords = {
  smile: { before: ["smiling", "happy"], with: ["a smile"] },
  smirk: { before: ["smirking"], with: ["a smirk", "a crooked smile"] },
  laugh: { before: ["laughing", "happy"], with: ["a big smile", "a wide smile"] },
  grin: { before: ["grinning"], with: ["a toothy grin", "a grin"] },
  tongue: { before: [], with: ["the tongue out"] },
  pout: { before: ["pouting"], with: ["a small mouth"] },
  open: { before: ["surprised"], with: ["an open mouth"] },
  lips: { before: [], with: ["full lips", "dark lips"] },
  frown: { before: ["frowning", "sad"], with: ["a frown"] },
  teeth: { before: ["nervous"], with: ["clenched teeth"] },
  serious: { before: ["serious"], with: ["a straight mouth"] },
};

// eyes[variant]: one of the keys of eyesWords.
// prettier-ignore
export const eyes = {
  variant01: "closed", variant02: "open", variant03: "sleepy", variant04: "open", variant05: "wide",
  variant06: "open", variant07: "tired", variant08: "sleepy", variant09: "sparkling", variant10: "open",
  variant11: "open", variant12: "sleepy", variant13: "tiny", variant14: "open", variant15: "wink",
  variant16: "tiny", variant17: "sleepy", variant18: "wink", variant19: "closed", variant20: "open",
  variant21: "wide", variant22: "closed", variant23: "open", variant24: "wide",
};

// "%" stands for the colour, which closed eyes do not show.
export const eyesWords = {
  open: ["% eyes", "open % eyes"],
  wide: ["wide % eyes", "big % eyes"],
  sleepy: ["half closed % eyes", "sleepy % eyes"],
  tired: ["tired % eyes"],
  sparkling: ["sparkling % eyes"],
  tiny: ["tiny % eyes", "dot eyes"],
  wink: ["a wink", "one eye closed"],
  closed: ["closed eyes", "eyes closed"],
};

// prettier-ignore
export const eyebrows = {
  variant01: "worried", variant02: "thin", variant03: "thick", variant04: "bushy", variant05: "thin",
  variant06: "broken", variant07: "raised", variant08: "dot", variant09: "raised", variant10: "thick",
  variant11: "raised", variant12: "uneven", variant13: "angry",
};

// prettier-ignore
export const glasses = {
  variant01: ["round glasses"], variant02: ["sunglasses"], variant03: ["oval glasses"],
  variant04: ["square glasses"], variant05: ["reading glasses", "half moon glasses"],
};

export const beard = { variant01: ["a beard", "a full beard"], variant02: ["a beard", "a pointed beard"] };

// prettier-ignore
export const earrings = { variant01: ["earrings", "small earrings"], variant02: ["earrings", "small earrings"], variant03: ["earrings", "hanging earrings"] };

// Plain noses and heads are drawn in several ways that nobody would describe.
export const nose = ["variant01", "variant02", "variant03", "variant04", "variant05", "variant06"];
export const head = ["variant01", "variant02", "variant03", "variant04"];
