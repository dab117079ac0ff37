import Files

extension Sitting {
  /// The settings of a training run for both programs: those of the study, in file order, for a few steps.
  func training(_ method: String, steps: Int) -> JSONValue {
    configuration([
      "method": .string(method),
      "lora": .object(["rank": .int(16), "alpha": .int(32)]),
      "data": .object(["path": .string(data), "shuffle": .bool(false)]),
      "train": .object([
        "max_steps": .int(steps), "per_device_batch_size": .int(8), "gradient_accumulation_steps": .int(2),
        "learning_rate": .double(1e-5), "gradient_checkpointing": .bool(true),
      ]),
      "optimizer": .object(["name": .string("adamw_8bit")]),
    ])
  }

  /// The settings of an evaluation for both programs: one worked example, and answers that end at a 3.
  ///
  /// An untrained model repeats itself up to the limit. With this end, answers have 1 to 256 tokens, and on
  /// average about as many as GSM8K's own answers, which a trained model's answers resemble.
  func evaluation(items: Int, maxNewTokens: Int) -> JSONValue {
    configuration([
      "method": .string("none"),
      "data": .object(["path": .string(data)]),
      "evaluation": .object([
        "limit": .int(items), "max_new_tokens": .int(maxNewTokens), "batch_size": .int(16), "shots": .int(1),
        "example": .object(["question": .string(exampleQuestion), "answer": .string(exampleAnswer)]),
        "stop": .array([.string("3")]),
      ]),
    ])
  }

  /// The given sections of a run in the scratch folder, and the sections that all runs share.
  private func configuration(_ sections: JSONObject) -> JSONValue {
    var object: JSONObject = [
      "run": .object(["name": .string("bench"), "directory": .string("\(scratch)/run")]),
      "model": .object(["path": .string(model), "precision": .string("bf16")]),
      "threads": .int(threads),
    ]
    for (key, value) in sections.members { object[key] = value }
    return .object(object)
  }
}

private let exampleQuestion =
  "A library has 12 shelves with 30 books each. 45 books are lent. How many books are in the library now?"
private let exampleAnswer = """
  The shelves hold 12 * 30 = <<12*30=360>>360 books.
  Without those that are lent there are 360 - 45 = <<360-45=315>>315 books.
  #### 315
  """
