// SPDX-License-Identifier: MIT
#include "app/classifier_source.hpp"

#include "app/classifier_file.hpp"
#include "app/labels.hpp"
#include "base/concat.hpp"

namespace clip::app {

void fail_models(const std::string& what, const std::string& theirs, const std::string& with,
                 const std::string& ours) {
    fail(ErrorCode::version_mismatch, concat("compare embeddings of two models: ", what, " is of ",
                                             theirs, ", ", with, " of ", ours));
}

Classifier make_classifier(const ClassifierSettings& settings, LazyModel& model,
                           Reporter& reporter) {
    if (!settings.file.empty()) {
        if (!settings.labels.empty() || !settings.label_file.empty() ||
            !settings.templates.empty() || !settings.template_file.empty())
            fail(ErrorCode::invalid_argument,
                 "--classifier stands in place of labels and templates: give one or the other");
        return load_classifier(settings.file);
    }
    const std::vector<ClassNames> classes = gather_classes(settings.labels, settings.label_file);
    const std::vector<std::string> templates =
        gather_templates(settings.templates, settings.template_file);
    ModelSession& session = model.session();
    std::size_t cut = 0;
    Classifier classifier = build_classifier(session.model(), session.tokenizer(),
                                             session.host_backend(), classes, templates, &cut);
    if (cut > 0)
        reporter.warning("", concat("prompts cut to ", session.model().config().text.context_length,
                                    " tokens: ", cut));
    return classifier;
}

} // namespace clip::app
