// Sentences about a portrait, made of clauses: words, and the attributes whose
// values they leave no doubt about. What a picture does not show (the colour of
// closed eyes) is not said.

import * as words from "./words.mjs";
import { pick, random } from "./random.mjs";

const people = ["person", "person", "person", "portrait", "face", "character"];

// caption puts the choices into plain words, varied in wording and order; most
// things are left out now and then. `said` lists the attributes that it leaves
// no doubt about. `more` are other sentences about the same picture and what they
// say: one that says little, as people do who type. `details` are sentences each of
// one thing that is small, and one of the hair in few words: where these stood mostly
// among other things, a network never learnt them.
export function caption(c) {
  const rnd = random(c.seed ^ 0x2545f491);
  const full = sentence(rnd, c, clauses(rnd, c), 0.95);
  return { ...full, attributes: attributes(c), more: [brief(c)], details: details(c) };
}

// brief is a sentence of one to three clauses, the hair often by its colour alone.
function brief(c) {
  const rnd = random(c.seed ^ 0x6a09e667);
  const all = clauses(rnd, c), hair = words.hair[c.hair];
  if (hair.length !== "bald" && rnd() < 0.6) all.withs[0] = { words: `${c.hairColor} hair`, said: ["hair_color"] };
  const scene = {};
  const kept = shuffle(rnd, [...all.before, ...all.withs, scene]).slice(0, 1 + Math.floor(3 * rnd()));
  const few = { before: all.before.filter((x) => kept.includes(x)), withs: all.withs.filter((x) => kept.includes(x)) };
  return sentence(rnd, c, few, kept.includes(scene) ? 1 : 0);
}

const small = ["mouth", "eyes", "eyes_color", "eyebrows", "glasses", "earrings", "flowers", "freckles"];

// details are sentences of one clause about a small thing, or about the hair in few words.
function details(c) {
  const rnd = random(c.seed ^ 0x3c6ef372);
  const { before, withs } = clauses(rnd, c, true);
  const of = (kind, list) => list
    .filter((x) => x.few || x.said.some((a) => small.includes(a)))
    .map((x) => sentence(rnd, c, { before: [], withs: [], [kind]: [x] }, 0));
  return [...of("before", before), ...of("withs", [...withs, ...hairInFewWords(rnd, c, words.hair[c.hair])])];
}

// clauses are what is said of the person: before the noun, and after it, where
// hair comes first. Each is left out now and then unless all are asked for.
function clauses(rnd, c, all = false) {
  const often = (p) => rnd() < p, speak = (p) => all || often(p);
  const hair = words.hair[c.hair], mood = words.mouthWords[words.mouth[c.mouth]];
  const before = [], withs = [];
  const say = (where, phrase, ...of) => where.push({ words: phrase, said: of });

  if (hair.length === "bald") say(before, "bald", "hair_length");
  else {
    const phrase = hairPhrase(rnd, c, hair);
    say(withs, phrase, "hair_color", ...["length", "shape", "style"]
      .filter((k) => hair[k] && phrase.includes(hair[k].split(" ")[0])).map((k) => `hair_${k}`));
  }
  if (speak(0.8)) {
    const [where, phrases] = mood.before.length && (often(0.55) || !mood.with.length) ? [before, mood.before] : [withs, mood.with];
    const phrase = pick(rnd, phrases);
    // Several moods are happy.
    say(where, phrase, ...(phrase === "happy" ? [] : ["mouth"]));
  }
  if (c.glasses !== "variant02" && speak(0.6)) {
    const phrase = pick(rnd, words.eyesWords[words.eyes[c.eyes]]);
    say(withs, phrase.replace("%", c.eyesColor),
      ...(phrase === "% eyes" ? [] : ["eyes"]), ...(phrase.includes("%") ? ["eyes_color"] : []));
  }
  if (c.glasses && speak(0.92)) {
    const exact = often(0.75), kind = exact ? pick(rnd, words.glasses[c.glasses]) : c.glasses === "variant02" ? "sunglasses" : "glasses";
    const color = often(0.7);
    say(withs, color ? `${c.glassesColor} ${kind}` : kind,
      "glasses", ...(kind === "glasses" ? [] : ["glasses_kind"]), ...(color ? ["glasses_color"] : []));
  }
  if (c.beard && speak(0.92)) say(withs, pick(rnd, words.beard[c.beard]), "beard");
  if (c.earrings && speak(0.8)) {
    const kind = pick(rnd, words.earrings[c.earrings]), color = often(0.8);
    say(withs, color ? `${c.earringsColor} ${kind}` : kind, "earrings", ...(color ? ["earrings_color"] : []));
  }
  if (c.flowers && speak(0.92)) {
    const what = pick(rnd, ["flowers in the hair", "a flower in the hair", "flowers"]);
    say(withs, what.startsWith("a ") ? what.replace("a ", `a ${c.flowersColor} `) : `${c.flowersColor} ${what}`, "flowers", "flowers_color");
  }
  if (c.freckles && speak(0.7)) say(withs, "freckles", "freckles");
  if (speak(0.2)) say(withs, `${words.eyebrows[c.eyebrows]} eyebrows`, "eyebrows");
  if (speak(0.75)) say(withs, `${c.skin} skin`, "skin");

  return { before, withs };
}

// sentence joins clauses, in random order, and with this probability the background.
function sentence(rnd, c, { before, withs }, scenes) {
  const list = shuffle(rnd, withs.map((x) => x.words));
  const noun = pick(rnd, people);
  const subject = [...shuffle(rnd, before.map((x) => x.words)), noun].join(" ");
  const scene = rnd() < scenes ? backgroundPhrase(rnd, c.background) : null;
  const body = list.length ? ` with ${join(list)}` : "";
  const text =
    scene && scene.before ? `${scene.text}, a ${subject}${body}`
    : `a ${subject}${body}${scene ? scene.text : ""}`;
  const said = [...before, ...withs].flatMap((x) => x.said);
  return { caption: text.replace(/\ba (?=[aeiou])/g, "an "), said: scene ? [...said, "background"] : said };
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

// hairInFewWords is one clause as people type it, "pink pigtails", "curly hair", or none.
function hairInFewWords(rnd, c, { length, shape, style }) {
  const phrases = [];
  const say = (phrase, ...said) => phrases.push({ words: phrase, said, few: true });
  const worn = /mohawk|ponytail|pigtails|buns?/.exec(style)?.[0];
  if (["short", "long"].includes(length)) say(`${length} hair`, "hair_length");
  if (shape) say(`${shape} hair`, "hair_shape");
  if (worn) {
    const one = worn.endsWith("s") ? "" : "a ";
    say(one + worn, "hair_style");
    say(`${one}${c.hairColor} ${worn}`, "hair_style", "hair_color");
  }
  return phrases.length ? [pick(rnd, phrases.slice(worn && rnd() < 0.75 ? -2 : 0))] : [];
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
function attributes(c) {
  const hair = words.hair[c.hair];
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
