"""An encoder that learns from raw text before it learns from annotation: what is it worth?"""
