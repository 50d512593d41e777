// What a worker reports must look like, beyond being about a picture that it holds.
//
// Workers are not clients: a report that does not fit means a worker that is broken, or another program that
// says it is one. It must not reach those who watch.
#ifndef MIND_SERVER_GENERATION_CHECK_REPORT_H_
#define MIND_SERVER_GENERATION_CHECK_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/worker.pb.h"

namespace mind::server {

// Whether a worker may come in that says this of itself: INVALID_ARGUMENT names what there is too much of.
absl::Status CheckRegistration(const v1::Register& registration);

// Cuts a report to what can be true, before anybody looks at it: lists to what a worker may hold or offer,
// steps to how many there are, the text and details of an error to what is told on.
void CutToSize(v1::ConnectRequest& report);

// Of a picture's file.
std::string MediaTypeOf(v1::ImageFormat format);

// Whether this is a picture as asked for, as far as can be told without looking at it. INTERNAL if not. The
// seed it says is not asked: what watchers are told is the one that was asked for.
absl::Status CheckResult(const v1::ImageSpec& spec, const v1::ImageResult& result);

// Whether it is a preview of the picture it says, of a size that watchers can be sent. INTERNAL if not.
absl::Status CheckPreview(const v1::ImagePreview& preview);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_CHECK_REPORT_H_
