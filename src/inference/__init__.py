"""A tracked model put to use: pictures read, prepared as the training images were, recognised."""
