// What pictures are called, in English and Chinese.
const COLOUR_WORDS = /\b(red|orange|yellow|green|blue|purple|pink|brown|black|white|grey|gray|golden|silver)\b/;
const COLOUR_SIGNS = /[红橙黄绿蓝紫粉棕黑白灰]|[金银]色/;

export const isChinese = (words) => /\p{Script=Han}/u.test(words);

// The names that say nothing of a colour.
export const colourless = (names) => names.filter((name) => !COLOUR_WORDS.test(name) && !COLOUR_SIGNS.test(name));

export function articled(words) {
  if (/[^s]s$/.test(words)) return words;
  return (/^[aeiou]/.test(words) ? 'an ' : 'a ') + words;
}

// All that a thing may be called, in a colour or its own (null), in a style.
export function captionsOf(names, colour, style) {
  return names.flatMap((name) => {
    if (isChinese(name)) {
      const plain = colour ? [`${colour.zh}色的${name}`, `${colour.zh}色${name}`] : [name, `一个${name}`];
      return plain.map((caption) => caption + style.zh);
    }
    const words = colour ? `${colour.en} ${name}` : name;
    return [words, articled(words)].map((caption) => caption + style.en);
  });
}

export function onBackground(caption, {en, zh}) {
  return isChinese(caption) ? `${zh}色背景的${caption}` : `${caption} on ${articled(en)} background`;
}

// Of two pictures, those in the same language.
export function pairCaptions(left, right) {
  return [isChinese, (caption) => !isChinese(caption)].flatMap((language) => {
    const [a] = left.filter(language), [b] = right.filter(language);
    return a && b ? [language === isChinese ? `${a}和${b}` : `${a} and ${b}`] : [];
  });
}
