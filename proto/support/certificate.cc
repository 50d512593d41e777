#include "proto/support/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "proto/support/errors.h"

namespace mind {
namespace {

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string TextOf(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return Printable({text, static_cast<size_t>(size)});
}

std::string TextOf(const ASN1_STRING* text) {
  return Printable({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                    static_cast<size_t>(ASN1_STRING_length(text))},
                   512);
}

std::string AddressOf(const ASN1_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) return "an address";
  inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

// What follows the host of a SPIFFE URI, segment by segment; empty if it is none.
std::vector<std::string> SpiffePath(const std::string& uri) {
  if (!absl::StartsWith(uri, "spiffe://")) return {};
  std::vector<std::string> segments = absl::StrSplit(uri.substr(9), '/');
  segments.erase(segments.begin());
  return segments;
}

}  // namespace

absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<X509Ptr> certificates;
  while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(one);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return absl::InvalidArgumentError("it holds a damaged certificate");
  if (certificates.empty()) return absl::InvalidArgumentError("it holds no certificate in PEM");
  return certificates;
}

Certificate Describe(const X509& certificate) {
  Certificate facts{.subject = TextOf(X509_get_subject_name(&certificate)),
                    .not_before = TimeOf(X509_get0_notBefore(&certificate)),
                    .not_after = TimeOf(X509_get0_notAfter(&certificate))};
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) facts.names.push_back(TextOf(name->d.dNSName));
    if (name->type == GEN_IPADD) facts.names.push_back(AddressOf(name->d.iPAddress));
    if (name->type == GEN_URI) facts.uris.push_back(TextOf(name->d.uniformResourceIdentifier));
  }
  return facts;
}

std::optional<std::string> WorkerNamedBy(const Certificate& certificate) {
  std::optional<std::string> named;
  for (const std::string& uri : certificate.uris) {
    const std::vector<std::string> path = SpiffePath(uri);
    if (path.size() < 2 || path[path.size() - 2] != "worker" || path.back().empty()) continue;
    if (named && *named != path.back()) return std::nullopt;
    named = path.back();
  }
  return named;
}

bool IsServers(const Certificate& certificate) {
  for (const std::string& uri : certificate.uris) {
    const std::vector<std::string> path = SpiffePath(uri);
    if (!path.empty() && path.back() == "server") return true;
  }
  return false;
}

}  // namespace mind
