// How DeepFloyd-IF's prompts are made like the captions it was trained on.
// Reference: diffusers IFPipeline._text_preprocessing, with ftfy's and BeautifulSoup's part in it.
#ifndef MIND_WORKER_DIFFUSION_TEXT_CAPTION_H_
#define MIND_WORKER_DIFFUSION_TEXT_CAPTION_H_

#include <string>
#include <string_view>

namespace mind::diffusion {

// Lower case, without white space around it.
std::string PlainCaption(std::string_view text);

// What is left of a caption found on the web: no addresses, markup, file names, article numbers,
// advertisements and Chinese ideographs, one kind of quotes and dashes, damaged characters mended. Twice
// over, as the training data was.
std::string CleanCaption(std::string_view text);

// What ftfy.fix_text does, as far as it shows in a caption: one kind of quotes, ligatures and full-width
// forms as letters, no control characters, composed (NFC), and punctuation that was written as UTF-8 and read
// as Windows-1252 ("â€œ") as it was meant. Other text that was misread stays as it is: in lower case, as
// captions are, there is no telling.
std::u32string Mended(std::u32string_view text);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_CAPTION_H_
