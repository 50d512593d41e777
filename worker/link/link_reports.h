// What the link itself has to say to the server, as reports; what a picture's making has to say:
// image_events.h.
#ifndef MIND_WORKER_LINK_LINK_REPORTS_H_
#define MIND_WORKER_LINK_LINK_REPORTS_H_

#include <exception>
#include <vector>

#include "mind/v1/worker.pb.h"
#include "worker/link/outbox.h"

namespace mind {

// Ready to be sent, and to be kept meanwhile.
ReportPtr Shared(v1::ConnectRequest report);

// The worker takes no more work.
ReportPtr DrainingReport();
// The worker has these models now; none is an offer, too.
ReportPtr OfferReport(std::vector<v1::Model> models);
// The picture cannot be begun.
ReportPtr RefusalReport(const v1::ImageRef& image, std::exception_ptr error);
// The picture is put where the server has said; the rest is as in its whole result.
ReportPtr UploadedReport(const v1::ImageResult& whole, const v1::UploadedFile& file);
// The picture is for others to make; from the checkpoint in `kept`, if it is one.
ReportPtr HandBackReport(const v1::ImageRef& image, const ReportPtr& kept = nullptr);

}  // namespace mind

#endif  // MIND_WORKER_LINK_LINK_REPORTS_H_
