// caption puts the choices into plain words, varied in wording and order. What
// a picture does not show (the colour of closed eyes) is not said, and most
// other things are left out now and then.

import * as words from "./words.mjs";
import { pick, random } from "./random.mjs";

const people = ["person", "person", "person", "portrait", "face", "character"];

export function caption(c) {
  const rnd = random(c.seed ^ 0x2545f491);
  const often = (p) => rnd() < p;
  const hair = words.hair[c.hair], mood = words.mouthWords[words.mouth[c.mouth]];
  const bald = hair.length === "bald";
  const before = [], withs = [];

  withs.push(bald ? null : hairPhrase(rnd, c, hair));
  if (bald) before.push("bald");
  if (often(0.8)) {
    if (mood.before.length && (often(0.55) || !mood.with.length)) before.push(pick(rnd, mood.before));
    else withs.push(pick(rnd, mood.with));
  }
  if (c.glasses !== "variant02" && often(0.6)) {
    const phrase = pick(rnd, words.eyesWords[words.eyes[c.eyes]]);
    withs.push(phrase.replace("%", c.eyesColor));
  }
  if (c.glasses && often(0.92)) {
    const kind = often(0.75) ? pick(rnd, words.glasses[c.glasses]) : c.glasses === "variant02" ? "sunglasses" : "glasses";
    withs.push(often(0.7) ? `${c.glassesColor} ${kind}` : kind);
  }
  if (c.beard && often(0.92)) withs.push(pick(rnd, words.beard[c.beard]));
  if (c.earrings && often(0.8)) {
    const kind = pick(rnd, words.earrings[c.earrings]);
    withs.push(often(0.8) ? `${c.earringsColor} ${kind}` : kind);
  }
  if (c.flowers && often(0.92)) {
    const what = pick(rnd, ["flowers in the hair", "a flower in the hair", "flowers"]);
    withs.push(what.startsWith("a ") ? what.replace("a ", `a ${c.flowersColor} `) : `${c.flowersColor} ${what}`);
  }
  if (c.freckles && often(0.7)) withs.push("freckles");
  if (often(0.2)) withs.push(`${words.eyebrows[c.eyebrows]} eyebrows`);
  const skin = often(0.75) ? `${c.skin} skin` : null;
  if (skin) withs.push(skin);

  const list = shuffle(rnd, withs.filter(Boolean));
  const noun = pick(rnd, people);
  const subject = [...shuffle(rnd, before), noun].join(" ");
  const scene = often(0.95) ? backgroundPhrase(rnd, c.background) : null;
  const body = list.length ? ` with ${join(list)}` : "";
  const text =
    scene && scene.before ? `${scene.text}, a ${subject}${body}`
    : `a ${subject}${body}${scene ? scene.text : ""}`;
  return { caption: text.replace(/\ba (?=[aeiou])/g, "an "), attributes: attributes(c, hair) };
}

function hairPhrase(rnd, c, hair) {
  if (hair.length === "receding") return `receding ${c.hairColor} hair`;
  if (hair.length === "shaved") return pick(rnd, [`shaved ${c.hairColor} hair`, `very short ${c.hairColor} hair`]);
  const parts = [];
  if (rnd() < 0.85) parts.push(hair.length);
  if (hair.shape && rnd() < 0.75) parts.push(hair.shape);
  parts.push(c.hairColor);
  const s = hair.style;
  if (!s || rnd() < 0.3) return `${parts.join(" ")} hair`;
  if (["messy", "neat", "big"].includes(s)) return `${s} ${parts.join(" ")} hair`;
  if (s.startsWith("swept")) return `${parts.join(" ")} hair ${s}`;
  if (s === "mohawk") return `a ${parts.filter((p) => p !== "short").join(" ")} mohawk`;
  if (s === "two buns" || s.startsWith("pigtails")) return `${parts.join(" ")} hair in ${s.replace("and", "with a")}`;
  if (s === "fringe") return `${parts.join(" ")} hair and a fringe`;
  return `${parts.join(" ")} hair in a ${s.replace("and", "with a")}`;
}

function backgroundPhrase(rnd, color) {
  return pick(rnd, [
    { text: `, ${color} background` },
    { text: ` on a ${color} background` },
    { text: ` in front of a ${color} wall` },
    { text: `${color} background`, before: true },
  ]);
}

function join(list) {
  if (list.length === 1) return list[0];
  return `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`;
}

function shuffle(rnd, list) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(rnd() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

// attributes are the same facts for machines, whether the caption says them or not.
function attributes(c, hair) {
  return {
    hair_color: c.hairColor, hair_length: hair.length, hair_shape: hair.shape || null, hair_style: hair.style || null,
    skin: c.skin, background: c.background,
    eyes: words.eyes[c.eyes], eyes_color: c.eyesColor, eyebrows: words.eyebrows[c.eyebrows],
    mouth: words.mouth[c.mouth],
    glasses: c.glasses ? words.glasses[c.glasses][0] : null, glasses_color: c.glasses ? c.glassesColor : null,
    earrings: c.earrings ? c.earringsColor : null, beard: Boolean(c.beard),
    flowers: c.flowers ? c.flowersColor : null, freckles: c.freckles,
  };
}
