#include "worker/image/xmp.h"

#include <webp/decode.h>
#include <zlib.h>

#include <cstdint>
#include <stdexcept>

#include "worker/image/decode.h"

namespace mind::image {
namespace {

constexpr size_t kPngHeader = 8 + 25;  // the signature and IHDR
constexpr char kPngKeyword[] = "XML:com.adobe.xmp";
constexpr char kJpegNamespace[] = "http://ns.adobe.com/xap/1.0/";
constexpr size_t kLongestSegment = 65'533;

std::string BigEndian(uint32_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string LittleEndian(uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string InPng(std::string file, const std::string& packet) {
  // Keyword, no compression, no language, no translated keyword.
  std::string body = std::string("iTXt") + kPngKeyword + std::string(5, '\0') + packet;
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  const std::string chunk = BigEndian(static_cast<uint32_t>(body.size() - 4), 4) + body + BigEndian(crc, 4);
  return file.insert(kPngHeader, chunk);
}

std::string InJpeg(std::string file, const std::string& packet) {
  const std::string body = std::string(kJpegNamespace) + '\0' + packet;
  if (body.size() > kLongestSegment) throw std::runtime_error("XMP: too long for a JPEG");
  const auto at = [&file](size_t i) { return static_cast<unsigned char>(file.at(i)); };
  // JFIF's own segment comes first.
  size_t place = 2;
  if (at(2) == 0xff && at(3) == 0xe0) place += 2 + (size_t{at(4)} << 8 | at(5));
  return file.insert(place, "\xff\xe1" + BigEndian(static_cast<uint32_t>(body.size() + 2), 2) + body);
}

// A plain file has one chunk; one with more begins with a chunk that says which.
std::string InWebp(std::string file, const std::string& packet) {
  WebPBitstreamFeatures picture;
  if (WebPGetFeatures(reinterpret_cast<const uint8_t*>(file.data()), file.size(), &picture) !=
          VP8_STATUS_OK ||
      file.compare(12, 4, "VP8X") == 0) {
    throw std::runtime_error("XMP: not a plain WebP");
  }
  constexpr uint32_t kHasXmp = 0x04, kHasAlpha = 0x10;
  const std::string header = "VP8X" + LittleEndian(10, 4) +
                             LittleEndian(kHasXmp | (picture.has_alpha != 0 ? kHasAlpha : 0), 4) +
                             LittleEndian(static_cast<uint32_t>(picture.width - 1), 3) +
                             LittleEndian(static_cast<uint32_t>(picture.height - 1), 3);
  file.insert(12, header);
  file += "XMP " + LittleEndian(static_cast<uint32_t>(packet.size()), 4) + packet;
  if (packet.size() % 2 != 0) file.push_back('\0');
  return file.replace(4, 4, LittleEndian(static_cast<uint32_t>(file.size() - 8), 4));
}

}  // namespace

std::string XmpOfMadeByModel(std::string_view program, std::string_view watermark) {
  const std::string marked = watermark.empty() ? ""
                                               : " xmlns:mind=\"urn:mind-diffusion:1\" mind:Watermark=\"" +
                                                     std::string(watermark) + "\"";
  return std::string("<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>") +
         "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">"
         "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
         "<rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" "
         "xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" "
         "Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/"
         "trainedAlgorithmicMedia\" xmp:CreatorTool=\"" +
         std::string(program) + "\"" + marked + "/></rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>";
}

std::string WithXmp(std::string file, const std::string& packet) {
  const std::string_view format = FormatOf(file);
  if (format == "PNG" && file.size() > kPngHeader) return InPng(std::move(file), packet);
  if (format == "JPEG" && file.size() > 6) return InJpeg(std::move(file), packet);
  if (format == "WebP" && file.size() > 16) return InWebp(std::move(file), packet);
  throw std::runtime_error("XMP: not a PNG, JPEG or WebP");
}

}  // namespace mind::image
