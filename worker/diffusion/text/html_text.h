// What a piece of HTML says: without tags, its character references as characters.
// Sources: HTML Living Standard, 13.2 (tags, comments, numeric references); HTML 4.01, 24 (names).
#ifndef MIND_WORKER_DIFFUSION_TEXT_HTML_TEXT_H_
#define MIND_WORKER_DIFFUSION_TEXT_HTML_TEXT_H_

#include <string>
#include <string_view>

namespace mind::diffusion {

// Character references as characters: numbers, and the names of HTML 4, with or without a semicolon where
// HTML allows both. What is none stays as it is.
std::u32string WithoutReferences(std::u32string_view text);

// The text between the tags, comments and what scripts and styles hold left out. A "<" that begins no tag is
// text.
std::u32string TextOfHtml(std::u32string_view html);

// The character that Windows-1252 has where Latin-1 has a control character, U+0080 … U+009F; any other as it
// is.
char32_t FromWindows1252(char32_t c);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_HTML_TEXT_H_
